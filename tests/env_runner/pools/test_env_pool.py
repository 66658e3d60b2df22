"""Environment pools: answers arrive later, faults become events, slow ones block none."""

import threading
import time

import gymnasium as gym
import pytest
import ray

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import OverlappingEnvs, SerialEnvs, ThreadedEnvs
from rllib_gigpo.env_runner.pools.env_workers import RayEnvs
from rllib_gigpo.errors import EnvContractError


class Counter(gym.Env):
    """An environment that counts its steps; certain actions break it."""

    def __init__(self, config=None):
        self.observation_space = self.action_space = gym.spaces.Text(100)

    def reset(self, *, seed=None, options=None):
        if seed == 13:
            raise RuntimeError("unlucky seed")
        self._count = seed
        return f"count {self._count}", {"task": "count"}

    def step(self, action):
        if action == "raise":
            raise KeyError("no such key")
        if action == "exit":
            import os

            os._exit(1)
        if action.startswith("sleep"):
            time.sleep(float(action.split()[1]))
        self._count += 1
        return f"count {self._count}", 1, False, False, {}


SOURCE = EnvSource(Counter, {})


def collect(pool, num_events, timeout_s=30):
    events, deadline = [], time.monotonic() + timeout_s
    while len(events) < num_events and time.monotonic() < deadline:
        pool.wait(0.1)
        events.extend(pool.poll())
    return sorted(events, key=lambda event: event.slot)


@pytest.fixture(params=["serial", "threads", "overlapping", "actors"])
def pool(request, ray_session):
    pools = {
        "serial": lambda: SerialEnvs(SOURCE),
        "threads": lambda: ThreadedEnvs(SOURCE, num_threads=2),
        "overlapping": lambda: OverlappingEnvs(SOURCE, num_threads=2, patience_s=30),
        "actors": lambda: RayEnvs(SOURCE, num_workers=2, num_threads=0, num_cpus=0),
    }
    made = pools[request.param]()
    yield made
    made.close()


def test_every_slot_has_an_environment_of_its_own(pool):
    for slot in range(4):
        pool.reset(slot, seed=10 * slot)
    assert [event.observation for event in collect(pool, 4)] == [
        "count 0",
        "count 10",
        "count 20",
        "count 30",
    ]
    for slot in range(4):
        pool.step(slot, "go")
    events = collect(pool, 4)
    assert [event.observation for event in events] == [
        "count 1",
        "count 11",
        "count 21",
        "count 31",
    ]
    assert all(event.reward == 1.0 and event.error is None for event in events)


def test_an_exception_in_reset_or_step_is_an_event_and_the_slot_works_again(pool):
    pool.reset(0, seed=13)
    (event,) = collect(pool, 1)
    assert (event.error_kind, event.error) == ("reset", "RuntimeError: unlucky seed")
    pool.reset(0, seed=1)
    collect(pool, 1)
    pool.step(0, "raise")
    (event,) = collect(pool, 1)
    assert event.error_kind == "step"
    assert "KeyError" in event.error
    pool.reset(0, seed=2)
    assert collect(pool, 1)[0].observation == "count 2"


def test_a_dead_actor_costs_its_pending_slots_and_is_replaced(ray_session):
    pool = RayEnvs(SOURCE, num_workers=2, num_threads=0, num_cpus=0)
    for slot in range(4):
        pool.reset(slot, seed=0)
    collect(pool, 4)
    pool.step(0, "exit")
    (event,) = collect(pool, 1)
    assert event.error_kind == "worker"
    pool.step(1, "go")
    pool.reset(0, seed=5)
    assert [event.observation for event in collect(pool, 2)] == ["count 5", "count 1"]
    # Slot 2 was in the dead actor too, so its environment is gone.
    pool.step(2, "go")
    assert collect(pool, 1)[0].error is not None
    pool.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadedEnvs(SOURCE, num_threads=2),
        lambda: RayEnvs(SOURCE, num_workers=1, num_threads=2, num_cpus=0),
    ],
)
def test_a_fast_environment_answers_before_a_slow_one_that_started_first(make, ray_session):
    pool = make()
    for slot in range(2):
        pool.reset(slot, seed=0)
    collect(pool, 2)
    pool.step(0, "sleep 1.0")
    pool.step(1, "go")
    (first,) = collect(pool, 1)
    assert first.slot == 1
    assert collect(pool, 1)[0].slot == 0
    pool.close()


def test_overlapping_environments_answer_in_the_order_of_the_commands_half_at_a_time():
    pool = OverlappingEnvs(SOURCE, num_threads=4, patience_s=30)
    for slot in (2, 0, 3, 1):
        pool.reset(slot, seed=0)
    collect(pool, 4)
    for slot, action in ((2, "sleep 0.2"), (0, "go"), (3, "sleep 0.1"), (1, "go")):
        pool.step(slot, action)
    polls = [[event.slot for event in pool.poll()] for _ in range(4)]
    pool.close()
    assert polls == [[2, 0], [3], [1], []]


def test_an_overlapping_environment_that_hangs_holds_up_the_others_once():
    pool = OverlappingEnvs(SOURCE, num_threads=2, patience_s=0.05)
    for slot in range(2):
        pool.reset(slot, seed=0)
    collect(pool, 2)
    pool.step(0, "sleep 1.0")
    pool.step(1, "go")
    assert pool.poll() == []  # after its patience
    assert [event.slot for event in pool.poll()] == [1]
    pool.wait(30)
    assert [event.slot for event in pool.poll()] == [0]
    pool.close()


def test_a_hang_holds_up_the_others_once_even_on_a_single_thread():
    pool = OverlappingEnvs(SOURCE, num_threads=1, patience_s=0.3)
    for slot in range(4):
        pool.reset(slot, seed=0)
    collect(pool, 4)
    for slot, action in enumerate(["sleep 3.0", "go", "go", "go"]):
        pool.step(slot, action)
    answers = [[event.slot for event in pool.poll()] for _ in range(3)]
    assert answers == [[1], [2], [3]]  # a second thread plays what stood behind the first
    pool.close()


def test_a_closed_pool_starts_no_call_that_was_late():
    created = []

    class Late(Counter):
        def reset(self, *, seed=None, options=None):
            created.append(seed)
            if seed == 0:
                time.sleep(0.5)
            return super().reset(seed=seed, options=options)

    pool = OverlappingEnvs(EnvSource(Late, {}), num_threads=1, patience_s=0.01)
    pool._threads.add = lambda num_threads: None  # so that the second call waits behind the first
    for slot in range(3):
        pool.reset(slot, seed=slot)
    assert pool.poll() == []
    pool.close()
    time.sleep(0.7)
    assert created == [0]


def test_threads_step_each_environment_outside_of_the_callers_thread():
    threads = set()

    class Where(Counter):
        def step(self, action):
            threads.add(threading.current_thread().name)
            return super().step(action)

    pool = ThreadedEnvs(EnvSource(Where, {}), num_threads=1)
    pool.reset(0, seed=0)
    collect(pool, 1)
    pool.step(0, "go")
    collect(pool, 1)
    pool.close()
    assert threads
    assert threading.current_thread().name not in threads


def test_an_environment_that_cannot_be_made_says_why():
    with pytest.raises(EnvContractError, match="check-env"):
        EnvSource("rllib_gigpo.envs:Corridor-v0", {"length": 0}).make()


def test_gymnasium_ids_registered_names_and_classes_all_make_environments(ray_session):
    assert EnvSource("rllib_gigpo.envs:Corridor-v0", {"length": 4}).make().unwrapped.length == 4
    ray.tune.register_env("counter", Counter)
    assert isinstance(EnvSource("counter", {}).make(), Counter)
    assert isinstance(EnvSource(Counter, {}).make(), Counter)
