"""Calls that hang: the watch names them, and threads of hanging calls do not keep the process."""

import subprocess
import sys
import threading

import pytest

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.hang_watch import HangWatch
from rllib_gigpo.env_runner.pools.daemon_threads import DaemonThreads
from rllib_gigpo.env_runner.pools.env_pool import SerialEnvs
from rllib_gigpo.envs.corridor import CorridorEnv


@pytest.fixture
def reports():
    """Return the list of messages and an event that the second one sets."""
    messages, is_repeated = [], threading.Event()

    def report(message):
        messages.append(message)
        if len(messages) == 2:
            is_repeated.set()

    return messages, is_repeated, report


@pytest.mark.fault("B9", promise="A hang in the process is named: environment, seed, step, call.")
def test_a_call_that_hangs_is_named_with_environment_seed_and_step(reports):
    messages, is_repeated, report = reports

    class Slow(CorridorEnv):
        def __init__(self, config):
            super().__init__()

        def step(self, action):
            if action == "hang":
                assert is_repeated.wait(60)
            return super().step(action)

    watch = HangWatch("Slow", limit_s=0.1, report=report)
    pool = SerialEnvs(EnvSource(Slow, {}), watch=watch)
    pool.reset(0, seed=7)
    pool.step(0, "go left")
    pool.step(0, "hang")
    pool.close()
    watch.stop()
    first, second = messages[:2]
    assert "Slow hangs: step 2 of seed 7, step('hang') has not returned for" in first
    assert "limit 0.1 s" in first
    assert "cannot be interrupted" in first
    assert "hangs: step 2" in second


def test_calls_that_return_in_time_are_not_reported():
    messages = []
    watch = HangWatch("Quick", limit_s=0.05, report=messages.append)
    done = threading.Event()
    for _ in range(100):
        with watch.during("a call"):
            pass
    done.wait(0.3)  # between two calls, nothing hangs
    watch.stop()
    assert messages == []


def test_a_call_in_a_thread_returns_or_raises_through_its_future():
    threads = DaemonThreads(2, name="test")
    assert threads.submit(lambda: 3).result(timeout=30) == 3
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(timeout=30)
    threads.stop()


@pytest.mark.fault("B8", promise="A hanging thread does not keep the process from exiting.")
def test_a_process_exits_although_an_environment_hangs_in_a_thread():
    script = """
import threading
from rllib_gigpo.env_runner.pools.env_pool import ThreadedEnvs
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.envs.corridor import CorridorEnv

class Hanging(CorridorEnv):
    def __init__(self, config): super().__init__()
    def step(self, action): threading.Event().wait()

pool = ThreadedEnvs(EnvSource(Hanging, {}), num_threads=1)
pool.reset(0, seed=0)
while not pool.poll(): pool.wait(1)
pool.step(0, "go left")
pool.wait(0.2)
pool.close()
print("the end")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=90
    )
    assert (done.returncode, done.stdout) == (0, "the end\n")
