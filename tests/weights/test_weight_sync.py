"""Weight sync: every live EnvRunner confirms the new version, or the error says which did not."""

import os
import time
from types import SimpleNamespace

import pytest
import ray
import torch

from rllib_gigpo.errors import EngineError, WeightSyncError
from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS
from rllib_gigpo.weights import delivery
from rllib_gigpo.weights.in_flight_sync import InFlightWeightSync
from rllib_gigpo.weights.transfers import FullTransfer
from rllib_gigpo.weights.weight_sync import WeightSync
from rllib_gigpo.weights.weight_update import WeightUpdate

TENSORS = [("lm_head.weight", torch.ones(2))]


class FakeRunner:
    """An EnvRunner that loads weights; a ``deaf`` one keeps its old version."""

    def __init__(self, worker_index, *, deaf=False, error=None):
        self.worker_index, self.deaf, self.error = worker_index, deaf, error
        self.loaded = None
        self.module = SimpleNamespace(engine=SimpleNamespace(weight_version=-1))

    def set_state(self, state):
        if self.error is not None:
            raise self.error
        self.loaded = list(state["rl_module"][WEIGHTS])
        if not self.deaf:
            self.module.engine.weight_version = state["rl_module"][VERSION]


@ray.remote(num_cpus=0, max_retries=0)
def crash():
    os._exit(1)


@ray.remote(num_cpus=0, max_retries=0)
def sleep():
    time.sleep(60)


class FakeActor:
    """A handle whose calls run here, or do not come back."""

    def __init__(self, runner, group):
        self.apply = SimpleNamespace(remote=self.call)
        self.runner, self.group = runner, group

    def call(self, function):
        index = self.runner.worker_index
        if index in self.group.dying:
            return crash.remote()
        if index in self.group.silent:
            self.group.asleep.append(sleep.remote())
            return self.group.asleep[-1]
        return ray.put(function(self.runner))


class FakeGroup:
    """EnvRunners and a crew; ``silent`` ones do not answer, ``dying`` ones die meanwhile."""

    def __init__(self, *runners, local=None, silent=(), dying=()):
        self.local_env_runner = local
        self.runners = {runner.worker_index: runner for runner in runners}
        self.silent, self.dying, self.dead = set(silent), set(dying), []
        self.passed_over, self.asleep, self.ended = [], [], []
        self._worker_manager = SimpleNamespace(
            actors=lambda: {i: FakeActor(one, self) for i, one in self.runners.items()},
            set_actor_state=lambda index, healthy: self.dead.append(index),
        )

    def answering(self):
        gone = {*self.dead, *self.passed_over}
        return [index for index in self.runners if index not in gone]

    def pass_over(self, index):
        self.passed_over.append(index)

    def end(self, *fault):
        self.ended.append(fault)


class FakeLearner:
    def export_weights(self):
        yield from TENSORS


def answer(value, *, ok=True):
    """Wrap a Learner's answer as RLlib does."""
    return SimpleNamespace(ok=ok, get=lambda: value)


class LocalLearners:
    is_local = True
    _learner = FakeLearner()

    def foreach_learner(self, func, *, timeout_seconds):
        return [answer(func(self._learner))]


class RemoteLearners:
    is_local = False

    def __init__(self, results):
        self._results = results

    def foreach_learner(self, func, *, timeout_seconds):
        return self._results


def sync(runners, learners=None, *, kind=WeightSync, silence_s=60.0):
    return kind(
        learners or LocalLearners(),
        runners,
        runners,
        transfer=FullTransfer(),
        silence_s=silence_s,
        timeout_s=2.0,
    )


def update_of(parts):
    return WeightUpdate(version=3, serial=1, base=None, chunks=parts, num_bytes=8)


def test_a_local_runner_gets_the_tensors_themselves():
    local = FakeRunner(0)
    sync(FakeGroup(local=local)).push(3)
    assert local.module.engine.weight_version == 3
    assert local.loaded[0][1] is TENSORS[0][1]


def test_all_remote_runners_load_the_version(ray_session):
    runners = FakeRunner(1), FakeRunner(2)
    sync(FakeGroup(*runners)).push(3)
    assert [runner.module.engine.weight_version for runner in runners] == [3, 3]
    assert torch.equal(runners[1].loaded[0][1], TENSORS[0][1])


def test_if_no_runner_confirms_in_time_they_are_named(ray_session):
    group = FakeGroup(FakeRunner(1), silent={1})
    with pytest.raises(WeightSyncError, match=r"waited \d s for EnvRunner\(s\) \[1\].*version 3"):
        sync(group).push(3)


def test_a_silent_runner_is_passed_over_if_others_confirm(ray_session):
    group = FakeGroup(FakeRunner(1), FakeRunner(2), silent={2})
    sync(group, silence_s=0.5).push(3)
    assert group.passed_over == [2]


def test_runners_that_confirm_another_version_are_named(ray_session):
    group = FakeGroup(FakeRunner(1, deaf=True), FakeRunner(2, deaf=True))
    with pytest.raises(WeightSyncError, match=r"EnvRunner\(s\) \[1, 2\].*1: -1"):
        sync(group).push(3)


def test_a_runner_that_cannot_load_what_others_load_is_restarted(ray_session):
    group = FakeGroup(FakeRunner(1, error=EngineError("the engine died")), FakeRunner(2))
    sync(group).push(3)
    ((index, kind, message),) = group.ended
    assert (index, kind) == (1, "engine")
    assert "EnvRunner 1 did not load policy version 3: the engine died" in message


def test_an_engine_that_refuses_the_weights_says_why(ray_session):
    group = FakeGroup(FakeRunner(1, error=EngineError("lm_head.weight is missing")))
    with pytest.raises(WeightSyncError, match=r"\[1\].*lm_head.weight is missing"):
        sync(group).push(3)


def test_a_runner_that_dies_meanwhile_is_no_error(ray_session):
    healthy = FakeRunner(2)
    group = FakeGroup(FakeRunner(1), healthy, dying={1})
    sync(group).push(3)
    assert healthy.module.engine.weight_version == 3
    assert group.dead == [1]


def test_in_flight_weights_are_confirmed_before_the_next_ones(ray_session):
    group = FakeGroup(FakeRunner(1), FakeRunner(2), silent={2})
    sender = sync(group, kind=InFlightWeightSync, silence_s=0.5)
    sender.push(1)  # does not wait
    assert group.passed_over == []
    assert group.runners[1].module.engine.weight_version == 1
    sender.push(2)
    assert group.passed_over == [2]
    assert group.runners[1].module.engine.weight_version == 2


def test_in_flight_weights_are_sent_again_without_the_learners(ray_session):
    group = FakeGroup(FakeRunner(1), FakeRunner(2))
    sender = sync(group, kind=InFlightWeightSync)
    sender.push(5)
    group.runners[2].module.engine.weight_version = -1
    sender._learner_group = None
    sender.send_again(5, [2])
    sender.confirm()
    assert group.runners[2].module.engine.weight_version == 5


@pytest.mark.parametrize("is_runner_local", [True, False])
def test_remote_learners_hand_out_references_of_which_one_learner_has_all(
    ray_session, is_runner_local
):
    results = [answer(None), answer(update_of([ray.put(TENSORS)]))]
    runner = FakeRunner(0)
    group = FakeGroup(local=runner) if is_runner_local else FakeGroup(runner)
    sync(group, RemoteLearners(results)).push(3)
    assert torch.equal(runner.loaded[0][1], TENSORS[0][1])


def test_a_runner_reads_one_chunk_after_the_other(ray_session, monkeypatch):
    tensors = [(name, torch.ones(2)) for name in "abc"]
    parts = [ray.put(tensors[:2]), ray.put(tensors[2:])]
    fetched, original = [], ray.get
    monkeypatch.setattr(ray, "get", lambda ref: fetched.append(ref) or original(ref))

    class Reader(FakeRunner):
        def set_state(self, state):
            self.num_fetched = [len(fetched) for _ in state["rl_module"][WEIGHTS]]
            self.module.engine.weight_version = state["rl_module"][VERSION]

    runner = Reader(1)
    sync(FakeGroup(runner), RemoteLearners([answer(update_of(parts))])).push(3)
    assert runner.num_fetched == [1, 1, 2]


def test_a_learner_puts_its_weights_into_the_store_in_chunks(ray_session, monkeypatch):
    monkeypatch.setattr(delivery, "chunked", lambda tensors: ([one] for one in tensors))
    learner = SimpleNamespace(export_weights=lambda: iter([("a", torch.ones(1)), *TENSORS]))
    update = FullTransfer().put(learner, version=3, serial=1, base=None)
    assert [[name for name, _ in ray.get(chunk)] for chunk in update.chunks] == [
        ["a"],
        ["lm_head.weight"],
    ]
    assert update.num_bytes == 12


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ([], "none is in service"),
        ([answer(RuntimeError("CUDA is out of memory"), ok=False)], "CUDA"),
        ([answer(None), answer(RuntimeError("CUDA is out of memory"), ok=False)], "CUDA"),
    ],
)
def test_a_learner_that_gives_nothing_is_an_error_with_its_cause(results, cause):
    with pytest.raises(WeightSyncError, match=f"Learners did not export.*{cause}"):
        sync(FakeGroup(FakeRunner(1)), RemoteLearners(results)).push(3)
