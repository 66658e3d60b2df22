"""Environments that misbehave: whatever they do becomes an event that names the kind of fault."""

import os
import signal
import threading

import gymnasium as gym
import pytest

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import SerialEnvs, ThreadedEnvs
from rllib_gigpo.env_runner.pools.env_slots import EnvSlots
from rllib_gigpo.env_runner.pools.env_workers import RayEnvs
from rllib_gigpo.errors import EnvContractError


class UnreadableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class PanicError(BaseException):
    """Not an Exception, like the panics of extensions in Rust."""


def fail(error):
    raise error


# What step() does -> what its event says: kind and a part of the message.
FAULTS = {
    "list as info": (lambda: ("a", 0.0, False, False, [1]), "info", "info is list"),
    "letters": (
        lambda: ("a", 0.0, False, False, {"admissible_actions": "go left"}),
        "info",
        "info['admissible_actions'] is str",
    ),
    "actions": (
        lambda: ("a", 0.0, False, False, {"admissible_actions": [None, 3]}),
        "info",
        "contains None",
    ),
    "NaN anchor": (
        lambda: ("a", 0.0, False, False, {"anchor": float("nan")}),
        "anchor",
        "NaN equals nothing",
    ),
    "list anchor": (lambda: ("a", 0.0, False, False, {"anchor": [1]}), "anchor", "unhashable list"),
    "huge reward": (lambda: ("a", 1e308, False, False, {}), "reward", "1e+308"),
    "flag": (lambda: ("a", 0.0, "done", False, {}), "flags", "terminated is str"),
    "old API": (lambda: ("a", 0.0, False, {}), "step", "returned 4 values"),
    "lock": (
        lambda: ("a", 0.0, False, False, {"lock": threading.Lock()}),
        "pickle",
        "info['lock'] (lock) cannot be sent",
    ),
    "exit": (lambda: fail(SystemExit(3)), "step", "SystemExit: 3"),
    "panic": (lambda: fail(PanicError("broken")), "step", "PanicError: broken"),
    "unreadable": (lambda: fail(UnreadableError()), "step", "cannot be read"),
    "surrogate": (lambda: fail(ValueError("bad \ud83d")), "step", "ValueError: bad ?"),
    "long": (lambda: fail(ValueError("x" * 10**6)), "step", "ValueError: xxx"),
}


class Misbehaving(gym.Env):
    """An environment that does one of FAULTS if the action names it."""

    def __init__(self, config=None):
        self.observation_space = self.action_space = gym.spaces.Text(100)

    def reset(self, *, seed=None, options=None):
        self.pid = os.getpid()
        return f"process {self.pid}", {}

    def step(self, action):
        if action in FAULTS:
            return FAULTS[action][0]()
        return f"process {self.pid}", 0.0, False, False, {"admissible_actions": None}


SOURCE = EnvSource(Misbehaving, {})


@pytest.fixture(scope="module", params=["serial", "threads", "actors"])
def pool(request, ray_session):
    pools = {
        "serial": lambda: SerialEnvs(SOURCE, is_sent=True),
        "threads": lambda: ThreadedEnvs(SOURCE, num_threads=1, is_sent=True),
        "actors": lambda: RayEnvs(SOURCE, num_workers=1, num_threads=0, num_cpus=0),
    }
    made = pools[request.param]()
    yield made
    made.close()


def answer(pool):
    for _ in range(600):
        pool.wait(0.1)
        events = pool.poll()
        if events:
            return events[0]
    raise AssertionError("no answer")


@pytest.mark.fault(
    "B13", "B14", promise="A bad value costs its group; the environment's process lives."
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_event_with_its_kind_and_the_process_lives(pool, fault, record_property):
    pool.reset(0, seed=0)
    before = answer(pool).observation
    pool.step(0, fault)
    event = answer(pool)
    _, kind, message = FAULTS[fault]
    assert event.error_kind == kind
    assert message in event.error
    assert len(event.error) < 1200
    event.error.encode()
    pool.reset(0, seed=0)
    assert answer(pool).observation == before
    record_property("lost", "one group")


@pytest.mark.fault("case 14", promise="None instead of a list of actions is as if it were absent.")
def test_no_list_of_actions_is_no_fault(pool):
    pool.reset(0, seed=0)
    answer(pool)
    pool.step(0, "go")
    event = answer(pool)
    assert (event.error, event.info) == (None, {})


def test_what_stays_in_the_process_need_not_be_picklable():
    slots = EnvSlots(SOURCE)
    slots.reset(0, seed=0)
    assert slots.step(0, "lock").error is None


def test_a_signal_that_ends_the_process_is_no_fault_of_the_environment():
    class Interrupted(Misbehaving):
        def step(self, action):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().step(action)

    def exit_at_once(number, frame):
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, exit_at_once)
    try:
        slots = EnvSlots(EnvSource(Interrupted, {}))
        slots.reset(0, seed=0)
        with pytest.raises(SystemExit):
            slots.step(0, "go")
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_keyboard_interrupt_is_no_fault_of_the_environment():
    class Stopped(Misbehaving):
        def step(self, action):
            raise KeyboardInterrupt

    slots = EnvSlots(EnvSource(Stopped, {}))
    slots.reset(0, seed=0)
    with pytest.raises(KeyboardInterrupt):
        slots.step(0, "go")


def test_evaluation_has_environments_of_its_own_if_they_differ():
    made = []

    class Numbered(gym.Env):
        observation_space = action_space = gym.spaces.Text(9)

        def __init__(self, config):
            self.name = config["name"]
            made.append(self)

        def reset(self, *, seed=None, options=None):
            return self.name, {}

        def close(self):
            made.remove(self)

    source = EnvSource(Numbered, {"name": "train"}, EnvSource(Numbered, {"name": "test"}))
    created = []
    slots = EnvSlots(source, on_created=lambda env, is_training: created.append((env, is_training)))
    seen = [slots.reset(0, 1, is_training=kind).observation for kind in (True, False, True, False)]
    assert seen == ["train", "test", "train", "test"]
    assert created == [(made[0], True), (made[1], False)]
    assert slots.env_of(0) is made[1]
    assert slots.in_use == [0]
    slots.close()
    assert made == []

    same = EnvSlots(EnvSource(Numbered, {"name": "both"}))
    same.reset(0, 1)
    same.reset(0, 1, is_training=False)
    assert len(made) == 1


def quits(*args, **kwargs):
    raise SystemExit(4)


@pytest.mark.fault("B13", promise="An environment whose close() exits does not end the run.")
def test_close_may_exit():
    class Stubborn(Misbehaving):
        close = quits

    slots = EnvSlots(EnvSource(Stubborn, {}))
    slots.reset(0, seed=0)
    event = slots.step(0, "panic")
    assert event.error == "PanicError: broken"
    slots.reset(0, seed=0)
    slots.close()
    assert slots.in_use == []


@pytest.mark.fault("B13", promise="A constructor that exits is told, and does not end the run.")
def test_a_constructor_may_exit():
    class Unwilling(Misbehaving):
        __init__ = quits

    event = EnvSlots(EnvSource(Unwilling, {})).reset(0, seed=0)
    assert event.error_kind == "reset"
    assert "cannot be made with env_config={}: SystemExit: 4" in event.error


class WithoutActions(Misbehaving):
    def __init__(self, config=None):
        self.observation_space = gym.spaces.Text(100)


@pytest.mark.fault(
    "B13", promise="The message about what is not an environment says what it lacks."
)
def test_what_is_no_environment_is_told():
    with pytest.raises(EnvContractError, match="made a WithoutActions, which has no action_space"):
        EnvSource(WithoutActions, {}).make()
    with pytest.raises(
        EnvContractError, match="no observation_space and no action_space and no re"
    ):
        EnvSource(lambda config: object(), {}).make()
