"""Remote EnvRunners: answers, deaths, hangs, silence, stale weights, and errors that recur."""

import os
import time
from types import SimpleNamespace

import pytest
import ray

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.play_answer import PlayAnswer
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError, EnvContractError, RolloutError, WeightSyncError
from rllib_gigpo.sampling.queue import remote_runners
from rllib_gigpo.sampling.queue.remote_runners import RemoteRunners

pytestmark = pytest.mark.usefixtures("ray_session")

TASKS = [GroupTask(index, index, 1, SamplingSettings()) for index in range(5)]


@ray.remote(num_cpus=0, max_restarts=-1)
class FakeRunner:
    """An EnvRunner that finishes one group per call, or behaves as ``set`` says."""

    def __init__(self):
        self.held, self.behaviour, self.orders = [], {}, []

    def set(self, **behaviour):
        self.behaviour = behaviour

    def get_orders(self):
        return self.orders

    def ping(self):
        return "pong"

    def answer(self, tasks=(), *, weight_version=None, drop=(), patience_s=0.0):
        self.orders.append(([task.seed for task in tasks], list(drop)))
        if self.behaviour.get("dies"):
            os._exit(1)
        time.sleep(self.behaviour.get("sleeps", 0.0))
        if "error" in self.behaviour:
            return PlayAnswer(error=self.behaviour["error"])
        self.held = [task for task in (*self.held, *tasks) if task.group_id not in drop]
        ended, self.held = self.held[:1], self.held[1:]
        result = SampleResult(groups=[FinishedGroup(task, []) for task in ended])
        return PlayAnswer(result, is_playing=bool(self.held))


class FakeGroup:
    """An EnvRunnerGroup of such actors; like RLlib's, it keeps hanging ones in service."""

    def __init__(self, number):
        self.actors = {index: FakeRunner.remote() for index in range(1, number + 1)}
        self.dead = set()
        self._worker_manager = SimpleNamespace(
            actors=lambda: self.actors, set_actor_state=self.set_actor_state
        )

    def set_actor_state(self, index, healthy):
        (self.dead.discard if healthy else self.dead.add)(index)

    def healthy_env_runner_ids(self):
        return [index for index in self.actors if index not in self.dead]

    def set(self, index, **behaviour):
        ray.get(self.actors[index].set.remote(**behaviour))

    def orders(self, index):
        return ray.get(self.actors[index].get_orders.remote())


@pytest.fixture
def make_group():
    """Make groups of actors, which end with the test."""
    made = []

    def make(number):
        made.append(FakeGroup(number))
        return made[-1]

    yield make
    for group in made:
        for actor in group.actors.values():
            ray.kill(actor)


def make_runners(group, **changes):
    arguments = {
        "silence_s": 100.0,
        "timeout_s": None,
        "restore": lambda: None,
        "restore_timeout_s": 60.0,
        "resync": lambda runner_id: None,
    }
    return RemoteRunners(group, **{**arguments, **changes})


def collect_until(runners, condition, limit_s=20.0):
    """Collect until ``condition(arrivals)``; return the arrivals."""
    arrivals, deadline = [], time.monotonic() + limit_s
    while not condition(arrivals):
        assert time.monotonic() < deadline, arrivals
        arrivals += runners.collect(timeout_s=0.2)
    return arrivals


def seeds(arrivals, player=None):
    return [
        group.task.seed
        for arrival in arrivals
        if player in (None, arrival.player)
        for group in arrival.result.groups
    ]


def has_all(number):
    return lambda arrivals: len(seeds(arrivals)) == number


def has_fault(arrivals):
    return any(arrival.fault for arrival in arrivals)


def fault(arrivals):
    (found,) = [arrival for arrival in arrivals if arrival.fault]
    return found


def test_groups_come_back_as_they_finish_and_a_second_call_follows_each(make_group):
    group = make_group(2)
    runners = make_runners(group)
    assert runners.in_service() == [1, 2]
    runners.hand_out(1, TASKS[:3], weight_version=0)
    runners.hand_out(2, TASKS[3:], weight_version=0)
    arrivals = collect_until(runners, has_all(5))
    assert seeds(arrivals, 1) == [0, 1, 2]
    assert seeds(arrivals, 2) == [3, 4]
    assert group.orders(1)[:2] == [([0, 1, 2], []), ([], [])]


def test_groups_join_those_that_are_played(make_group):
    group = make_group(1)
    runners = make_runners(group)
    runners.hand_out(1, TASKS[:2], weight_version=0)
    runners.hand_out(1, TASKS[2:], weight_version=0)
    assert seeds(collect_until(runners, has_all(5))) == [0, 1, 2, 3, 4]


def test_groups_are_dropped(make_group):
    group = make_group(1)
    runners = make_runners(group)
    group.set(1, sleeps=0.5)
    runners.hand_out(1, TASKS, weight_version=0)
    runners.drop(1, [2, 3, 4])
    arrivals = collect_until(runners, has_all(2))
    assert seeds(arrivals) == [0, 1]
    assert ([], [2, 3, 4]) in group.orders(1)


def test_a_runner_that_dies_is_out_of_service_with_its_groups(make_group):
    group = make_group(2)
    runners = make_runners(group)
    group.set(1, dies=True)
    runners.hand_out(1, TASKS[:2], weight_version=0)
    found = fault(collect_until(runners, has_fault))
    assert (found.player, found.fault[0]) == (1, "runner")
    assert "EnvRunner 1 failed" in found.fault[1]
    assert runners.in_service() == [2]


def test_a_runner_that_does_not_answer_for_too_long_is_ended(make_group):
    group = make_group(2)
    runners = make_runners(group, timeout_s=1.0)
    group.set(1, sleeps=60.0)
    runners.hand_out(1, TASKS[:2], weight_version=0)
    found = fault(collect_until(runners, has_fault))
    assert found.fault[0] == "runner"
    assert "sample_timeout_s=1" in found.fault[1]
    assert runners.in_service() == [2]


def test_a_failed_engine_is_restarted(make_group):
    group = make_group(2)
    runners = make_runners(group)
    group.set(1, error=EngineError("the engine died: out of memory"))
    runners.hand_out(1, TASKS[:2], weight_version=0)
    found = fault(collect_until(runners, has_fault))
    assert found.fault == ("engine", "the engine died: out of memory")
    assert runners.in_service() == [2]


def test_a_silent_runner_is_passed_over_until_it_speaks_and_has_new_weights(make_group):
    group, synced = make_group(2), []
    runners = make_runners(group, silence_s=0.5, resync=synced.append)
    group.set(1, sleeps=2.0)
    runners.hand_out(1, TASKS[:1], weight_version=0)
    collect_until(runners, lambda _: runners.answering() == [2])
    assert synced == []
    runners.drop(1, [0])
    collect_until(runners, lambda _: runners.answering() == [1, 2])
    assert synced == [1]


def test_if_all_runners_are_silent_they_are_not_passed_over(make_group):
    group = make_group(1)
    runners = make_runners(group, silence_s=0.2)
    group.set(1, sleeps=1.5)
    runners.hand_out(1, TASKS[:1], weight_version=0)
    collect_until(runners, lambda _: runners.answering() == [])
    assert runners.in_service() == [1]


def test_stale_weights_are_sent_again_once(make_group):
    group, synced = make_group(1), []
    runners = make_runners(group, resync=synced.append)
    group.set(1, error=WeightSyncError("holds policy version 0"))
    runners.hand_out(1, TASKS[:1], weight_version=3)
    arrivals = collect_until(runners, lambda found: len(found) == 2)  # of both calls ahead
    assert {arrival.fault[0] for arrival in arrivals} == {"weights"}
    assert synced == [1]
    runners.hand_out(1, TASKS[:1], weight_version=3)
    with pytest.raises(WeightSyncError, match="version 0"):
        collect_until(runners, lambda _: False)


def test_after_a_group_stale_weights_are_sent_again_once_more(make_group):
    group, synced = make_group(1), []
    runners = make_runners(group, resync=synced.append)
    stale = WeightSyncError("holds policy version 0")
    for number in (1, 2):
        group.set(1, error=stale)
        runners.hand_out(1, TASKS[:1], weight_version=3)
        collect_until(runners, lambda found: len(found) == 2)
        assert synced == [1] * number
        group.set(1)
        runners.hand_out(1, TASKS[1:2], weight_version=3)
        collect_until(runners, has_all(1))


def test_an_error_that_would_come_again_is_raised(make_group):
    group = make_group(1)
    runners = make_runners(group)
    group.set(1, error=EnvContractError("the observation is no text"))
    runners.hand_out(1, TASKS[:1], weight_version=0)
    with pytest.raises(EnvContractError, match="no text"):
        collect_until(runners, lambda _: False)


def test_a_runner_that_restarted_is_in_service_when_it_has_been_sent_weights(make_group):
    group = make_group(2)
    runners = make_runners(group)
    group.set(1, dies=True)
    runners.hand_out(1, TASKS[:1], weight_version=0)
    collect_until(runners, has_fault)
    group.set_actor_state(1, healthy=True)  # RLlib's probe
    assert runners.answering() == [2]
    runners.returned([1])
    assert runners.answering() == [1, 2]


def test_a_runner_that_is_passed_over_is_asked_whether_it_is_back(make_group):
    group, synced = make_group(2), []
    runners = make_runners(group, resync=synced.append)
    runners.pass_over(1)
    assert runners.answering() == [2]
    collect_until(runners, lambda _: runners.answering() == [1, 2])
    assert synced == [1]


def test_a_runner_that_is_stuck_is_ended(make_group):
    group = make_group(2)
    runners = make_runners(group)
    runners.end(1, "runner", "EnvRunner 1 did not finish a group in 5 s")
    found = fault(collect_until(runners, has_fault))
    assert found.fault == ("runner", "EnvRunner 1 did not finish a group in 5 s")
    assert runners.in_service() == [2]


@pytest.mark.parametrize("silence_s", [0.3, 100.0], ids=["known", "not yet known"])
def test_silent_runners_do_not_hold_up_the_end(make_group, silence_s, monkeypatch):
    monkeypatch.setattr(remote_runners, "_STOP_S", 2.0)
    group = make_group(2)
    runners = make_runners(group, silence_s=silence_s)
    group.set(1, sleeps=60.0)
    runners.hand_out(1, TASKS[:1], weight_version=0)
    if silence_s < 1:
        collect_until(runners, lambda _: runners.answering() == [2])
    runners.stop()
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(group.actors[1].get_orders.remote(), timeout=20)
    assert group.orders(2) == []


def tend_until(runners, condition, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        runners.tend()
        time.sleep(0.05)


def test_a_restarted_runner_comes_back_while_another_one_is_silent(make_group):
    group = make_group(2)

    def restore():
        group.dead.clear()
        runners.returned([1])

    runners = make_runners(group, silence_s=0.5, restore=restore)
    group.set(1, dies=True)
    group.set(2, sleeps=60.0)
    runners.hand_out(1, TASKS[:1], weight_version=0)
    runners.hand_out(2, TASKS[1:], weight_version=0)
    collect_until(runners, has_fault)
    collect_until(runners, lambda _: runners.answering() == [])
    tend_until(runners, lambda: runners.answering() == [1])


def test_nobody_waits_for_a_runner_that_does_not_restart(make_group):
    group = make_group(2)
    group.dead = {1}
    group.set(1, sleeps=60.0)
    group.actors[1].answer.remote()  # keeps it busy, as a start does
    probes = []
    runners = make_runners(group, restore=lambda: probes.append(None))
    start = time.monotonic()
    tend_until(runners, lambda: time.monotonic() > start + 2)
    assert probes == []


def test_runners_that_never_come_back_are_an_error(make_group):
    group = make_group(1)
    group.dead = {1}
    runners = make_runners(group, restore_timeout_s=0.0)
    assert runners.in_service() == []
    with pytest.raises(RolloutError, match=r"All EnvRunners have died.*0 s"):
        runners.tend()
