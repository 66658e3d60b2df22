"""Asynchronous sampling: how far ahead, how old, what is dropped, and what a resume draws again."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from sampling.fake_crew import FakeCrew

from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling import async_source, staleness
from rllib_gigpo.sampling.async_source import AsyncSource
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling
from rllib_gigpo.sampling.queue.group_queue import GroupQueue
from rllib_gigpo.sampling.queue.queue_pump import QueuePump
from rllib_gigpo.sampling.training_tasks import TaskStream


class Episode:
    """An episode of one step, with the version of its token and a reward."""

    def __init__(self, version, reward):
        self.version, self.reward = version, reward

    def get_rewards(self):
        return [self.reward]

    def get_infos(self, index):
        return {}


class VersionedCrew(FakeCrew):
    """Players whose groups carry the version of the weights when they end."""

    def __init__(self, num_players=2, *, dull=(), **options):
        super().__init__(num_players, **options)
        self.version, self.dull = 0, set(dull)
        self.episodes = lambda task: [
            Episode(self.version, 1.0),
            Episode(self.version, float(task.seed in self.dull)),
        ]

    def collect(self, *, timeout_s):
        arrivals = super().collect(timeout_s=timeout_s)
        if not arrivals:
            time.sleep(0.01)
        return arrivals


@pytest.fixture(autouse=True)
def records(monkeypatch):
    """Let `Episode` be its own step record."""

    def step_records(episodes):
        return [SimpleNamespace(token_versions=np.array([one.version])) for one in episodes]

    monkeypatch.setattr(staleness, "step_records", step_records)
    monkeypatch.setattr(async_source, "_WAIT_S", 0.05)


@pytest.fixture
def make_source():
    """Return a function that makes a source; its pump ends with the test."""
    made = []

    def make(crew, *, max_staleness=1, dynamic=None, tend=lambda: None):
        queue = GroupQueue(crew, max_concurrent_episodes=None, overdue_s=100.0)
        stream = TaskStream(
            group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=None, seed=0
        )
        made.append(
            AsyncSource(
                stream,
                QueuePump(queue),
                max_staleness=max_staleness,
                dynamic=dynamic,
                max_lost_rate=0.99,
                tend=tend,
            )
        )
        return made[-1]

    yield make
    for source in made:
        source.stop()


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def num_played(crew):
    return sum(map(len, crew.played.values()))


def seeds(groups):
    return [group.task.seed for group in groups]


@pytest.mark.parametrize("max_staleness", [1, 2, 4])
def test_players_go_on_during_an_update_but_not_too_far(make_source, max_staleness):
    crew = VersionedCrew()
    source = make_source(crew, max_staleness=max_staleness)
    for version in range(3):
        crew.version = version
        result = source.sample(3, weight_version=version)
        assert len(result.groups) == 3
        # The update is under way: batches up to version + k may be played.
        wait_until(lambda: source.metrics()["groups_ready"] == 3 * max_staleness)
        time.sleep(0.1)
        assert num_played(crew) == 3 * (version + 1 + max_staleness)


def test_batches_follow_the_order_of_the_tasks(make_source):
    source = make_source(VersionedCrew())
    assert seeds(source.sample(3, weight_version=0).groups) == [0, 1, 2]
    wait_until(lambda: source.metrics()["groups_ready"] == 3)
    assert seeds(source.sample(3, weight_version=1).groups) == [3, 4, 5]


def test_groups_that_are_too_old_are_dropped_and_others_drawn(make_source):
    crew = VersionedCrew()
    source = make_source(crew)
    source.sample(3, weight_version=0)
    wait_until(lambda: source.metrics()["groups_ready"] == 3)  # all of version 0
    crew.version = 2
    result = source.sample(3, weight_version=2)
    assert seeds(result.stale) == [3, 4, 5]
    assert seeds(result.groups) == [6, 7, 8]


def test_a_slow_group_is_overtaken(make_source):
    crew = VersionedCrew(num_players=3)
    crew.asleep = {1}
    source = make_source(crew)
    taken = seeds(source.sample(3, weight_version=0).groups)
    assert taken == sorted(taken)
    assert not set(taken) & set(crew.played[1])


def test_groups_without_spread_are_replaced_at_once(make_source):
    source = make_source(VersionedCrew(dull={0, 2, 3}), dynamic=DynamicSampling())
    result = source.sample(3, weight_version=0)
    assert seeds(result.groups) == [1, 4, 5]
    assert set(seeds(result.filtered)) <= {0, 2, 3}


def test_replacements_have_a_bound(make_source):
    crew = VersionedCrew(dull=range(1000))
    source = make_source(crew, dynamic=DynamicSampling(max_resamples=2))
    result = source.sample(3, weight_version=0)
    assert len(result.groups) == 3
    assert num_played(crew) <= 3 * 2 + 3 * 2 + 3


def test_lost_groups_are_replaced(make_source):
    source = make_source(VersionedCrew(broken={1, 2}))
    result = source.sample(3, weight_version=0)
    assert len(result.groups) == 3
    assert not {1, 2} & set(seeds(result.groups))
    assert source.take_warnings() == {"step": "a group was lost (step): broke"}


def test_too_many_lost_groups_end_the_run(make_source):
    source = make_source(VersionedCrew(broken=range(1000)))
    with pytest.raises(RolloutError, match="of the last 100 groups were lost"):
        source.sample(3, weight_version=0)


def test_an_error_of_a_player_reaches_the_caller(make_source):
    crew = VersionedCrew()

    def fail(*, timeout_s):
        raise RolloutError("EnvRunner 1 failed")

    crew.collect = fail
    with pytest.raises(RolloutError, match="EnvRunner 1 failed"):
        make_source(crew).sample(3, weight_version=0)


def test_somebody_tends_to_the_players_during_a_wait(make_source):
    crew, tended = VersionedCrew(), []
    crew.asleep = {1, 2}

    def tend():
        tended.append(None)
        if len(tended) == 3:
            crew.asleep = set()

    assert len(make_source(crew, tend=tend).sample(3, weight_version=0).groups) == 3
    assert len(tended) >= 3


def test_a_resumed_source_draws_again_what_no_batch_has_had(make_source):
    crew = VersionedCrew()
    source = make_source(crew)
    used = seeds(source.sample(3, weight_version=0).groups)
    wait_until(lambda: source.metrics()["groups_ready"] == 3)
    state = source.get_state()
    crew = VersionedCrew()
    crew.version = 1
    resumed = make_source(crew)
    resumed.set_state(state)
    assert used == [0, 1, 2]
    assert seeds(resumed.sample(3, weight_version=1).groups) == [3, 4, 5]
    assert seeds(resumed.sample(3, weight_version=2).groups) == [6, 7, 8]


def test_a_synchronous_state_is_accepted(make_source):
    source = make_source(VersionedCrew())
    source.set_state({"position": 7})
    assert seeds(source.sample(3, weight_version=0).groups) == [7, 8, 9]


def test_test_tasks_go_first_and_do_not_mix_with_training(make_source):
    crew = VersionedCrew(num_players=1)
    queue = GroupQueue(crew, max_concurrent_episodes=2, overdue_s=100.0)
    pump = QueuePump(queue)
    training, tests = pump.open_lane(), pump.open_lane(is_first=True)
    stream = TaskStream(
        group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=None, seed=0
    )
    crew.asleep = {1}
    training.put(stream.draw(6))
    wait_until(lambda: num_played(crew) == 2)
    tests.put(stream.draw(2))
    time.sleep(0.2)
    crew.asleep = set()
    found = []
    while tests.num_open:
        found += seeds(tests.advance(weight_version=0, timeout_s=1.0).groups)
    assert sorted(found) == [6, 7]
    assert crew.played[1][:4] == [0, 1, 6, 7]
    while training.num_open:
        training.advance(weight_version=0, timeout_s=1.0)
    pump.stop()
