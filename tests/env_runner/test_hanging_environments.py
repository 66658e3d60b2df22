"""An environment that hangs costs its groups, and no others."""

import threading
import time
from dataclasses import replace

import pytest
from env_runner.walk import SAMPLING, SETTINGS, Walk

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import OverlappingEnvs, ThreadedEnvs


@pytest.mark.parametrize("pool", ["threads", "overlapping"])
def test_an_environment_that_never_answers_costs_its_groups_and_not_the_run(play, pool):
    release = threading.Event()

    class Hanging(Walk):
        def step(self, action):
            release.wait(20)
            return super().step(action)

    source = EnvSource(Hanging, {})
    envs = {
        "threads": lambda: ThreadedEnvs(source, num_threads=3),
        "overlapping": lambda: OverlappingEnvs(source, num_threads=3, patience_s=0.5),
    }[pool]()
    result, _ = play(
        Hanging,
        lambda prompt: "up",
        seeds=[0],
        envs=envs,
        settings=replace(SETTINGS, stall_timeout_s=0.5),
    )
    release.set()
    assert result.lost[0].kind == "timeout"
    assert "limit 0.5 s" in result.lost[0].message
    assert "seed 0, step 1" in result.lost[0].message


def test_an_environment_that_hangs_costs_its_group_while_others_are_played(make_rollout):
    release = threading.Event()

    class HangsOnce(Walk):
        goal = 10**6

        def step(self, action):
            if self.position == 500:
                release.wait(20)
            return super().step(action)

    with_threads = ThreadedEnvs(EnvSource(HangsOnce, {}), num_threads=4)
    rollout, _ = make_rollout(
        HangsOnce,
        lambda prompt: "up",
        envs=with_threads,
        settings=replace(SETTINGS, max_episode_steps=10**6, stall_timeout_s=0.5),
    )
    rollout.start([GroupTask(0, 500, 1, SAMPLING), GroupTask(1, 501, 1, SAMPLING)])
    lost, deadline = [], time.monotonic() + 20
    while not lost:
        assert time.monotonic() < deadline
        rollout.advance()
        lost = rollout.take_result().lost
    assert [one.task.seed for one in lost] == [500]
    assert "seed 500, step 1" in lost[0].message
    assert rollout.num_left == {1: 1}  # it goes on
    release.set()
    with_threads.close()
