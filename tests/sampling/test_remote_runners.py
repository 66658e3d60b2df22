"""Remote EnvRunners: shares, deaths, hangs, stale weights, and errors that recur."""

from types import SimpleNamespace

import pytest

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, RolloutStats, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError, EnvContractError, RolloutError, WeightSyncError
from rllib_gigpo.sampling import remote_runners
from rllib_gigpo.sampling.remote_runners import RemoteRunners

TASKS = [GroupTask(index, index, 1, SamplingSettings()) for index in range(5)]


class FakeRunner:
    """An EnvRunner that takes a second per task, raises ``error``, or does not answer."""

    def __init__(self, worker_index, *, error=None, dies=False, hangs=False):
        self.worker_index = worker_index
        self.error, self.dies, self.hangs = error, dies, hangs
        self.played = []

    def sample_groups(self, tasks, *, weight_version):
        if self.error is not None:
            raise self.error
        self.played += [task.seed for task in tasks]
        return SampleResult(
            groups=[FinishedGroup(task, []) for task in tasks],
            stats=RolloutStats(num_steps=len(tasks), seconds=float(len(tasks))),
        )


class FakeGroup:
    """An EnvRunnerGroup of fakes; like RLlib's, it keeps hanging ones in service."""

    def __init__(self, *runners, dead=()):
        self.runners = {runner.worker_index: runner for runner in runners}
        self.dead = set(dead)
        self._worker_manager = SimpleNamespace(
            actors=lambda: self.runners, set_actor_state=self.set_actor_state
        )

    def set_actor_state(self, index, healthy):
        (self.dead.discard if healthy else self.dead.add)(index)

    def healthy_env_runner_ids(self):
        return [index for index in self.runners if index not in self.dead]

    def foreach_env_runner(self, func, *, local_env_runner, remote_worker_ids, timeout_seconds):
        answers = []
        for index in remote_worker_ids:
            runner = self.runners[index]
            if runner.dies:
                self.dead.add(index)
            elif not runner.hangs:
                answers.append(func(runner))
        return answers


@pytest.fixture
def killed(monkeypatch):
    """Return the EnvRunners that were killed."""
    killed = []
    monkeypatch.setattr(
        remote_runners.ray, "kill", lambda actor, no_restart: killed.append(actor.worker_index)
    )
    monkeypatch.setattr(remote_runners.time, "sleep", lambda seconds: None)
    return killed


def sample(group, *, restore=lambda: None, restore_timeout_s=60.0, resync=lambda runner_id: None):
    runners = RemoteRunners(
        group,
        timeout_s=None,
        restore=restore,
        restore_timeout_s=restore_timeout_s,
        resync=resync,
    )
    return runners.sample(TASKS, weight_version=0)


def seeds(result):
    return sorted(group.task.seed for group in result.groups)


def lost(result):
    return sorted((group.task.seed, group.kind) for group in result.lost)


def test_tasks_are_shared_out_and_the_clock_is_that_of_the_longest():
    runners = FakeRunner(1), FakeRunner(2)
    result = sample(FakeGroup(*runners))
    assert [runner.played for runner in runners] == [[0, 2, 4], [1, 3]]
    assert seeds(result) == [0, 1, 2, 3, 4]
    assert (result.stats.num_steps, result.stats.seconds) == (5, 3.0)


def test_more_runners_than_tasks_leave_some_idle():
    runners = [FakeRunner(index) for index in range(1, 8)]
    assert seeds(sample(FakeGroup(*runners))) == [0, 1, 2, 3, 4]
    assert [len(runner.played) for runner in runners] == [1, 1, 1, 1, 1, 0, 0]


def test_a_runner_that_dies_costs_its_share(killed):
    result = sample(FakeGroup(FakeRunner(1, dies=True), FakeRunner(2)))
    assert seeds(result) == [1, 3]
    assert lost(result) == [(0, "runner"), (2, "runner"), (4, "runner")]
    assert killed == []


def test_a_runner_that_hangs_is_ended_and_gets_no_more_work(killed):
    group = FakeGroup(FakeRunner(1, hangs=True), FakeRunner(2))
    assert len(sample(group).lost) == 3
    assert killed == [1]
    assert seeds(sample(group)) == [0, 1, 2, 3, 4]


def test_a_failed_engine_costs_its_share_and_is_restarted(killed):
    broken = FakeRunner(1, error=EngineError("the engine died: out of memory"))
    result = sample(FakeGroup(broken, FakeRunner(2)))
    assert seeds(result) == [1, 3]
    assert {group.kind for group in result.lost} == {"engine"}
    assert "out of memory" in result.lost[0].message
    assert killed == [1]


def test_stale_weights_are_sent_again_once():
    stale = FakeRunner(1, error=WeightSyncError("holds policy version 0"))
    group, synced = FakeGroup(stale, FakeRunner(2)), []

    def resync(runner_id):
        synced.append(None)
        stale.error = None

    runners = RemoteRunners(
        group, timeout_s=None, restore=None, restore_timeout_s=0.0, resync=resync
    )
    first = runners.sample(TASKS, weight_version=3)
    assert {group.kind for group in first.lost} == {"weights"}
    assert seeds(runners.sample(TASKS, weight_version=3)) == [0, 1, 2, 3, 4]
    assert len(synced) == 1

    stale.error = WeightSyncError("holds policy version 0")
    runners.sample(TASKS, weight_version=3)
    stale.error = WeightSyncError("holds policy version 0 for good")
    with pytest.raises(WeightSyncError, match="for good"):
        runners.sample(TASKS, weight_version=3)


def test_an_error_that_would_come_again_is_raised_with_its_cause():
    with pytest.raises(EnvContractError, match="no text"):
        sample(FakeGroup(FakeRunner(1, error=EnvContractError("the observation is no text"))))
    with pytest.raises(RolloutError, match=r"EnvRunner 1 failed(.|\n)*KeyError: 'my_memory'"):
        sample(FakeGroup(FakeRunner(1, error=KeyError("my_memory"))))


def test_runners_that_take_their_time_to_come_back_are_awaited(killed):
    group, probes = FakeGroup(FakeRunner(1), dead={1}), []

    def restore():
        probes.append(None)
        if len(probes) == 3:
            group.dead.clear()

    assert not sample(group, restore=restore).lost


def test_runners_that_never_come_back_are_an_error():
    with pytest.raises(RolloutError, match=r"All EnvRunners have died.*0 s"):
        sample(FakeGroup(FakeRunner(1), dead={1}), restore_timeout_s=0.0)
