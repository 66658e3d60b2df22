"""Reward functions that take long, or never return."""

import sys
import threading
import time
from functools import partial

from agent_programs.climbers import climb
from agent_programs.conftest import SAMPLING, finish

from rllib_gigpo.agent_programs import reward_threads
from rllib_gigpo.agent_programs.reward_threads import RewardThreads
from rllib_gigpo.batch.group_task import GroupTask


def up(prompt):
    return "up"


def test_a_reward_that_hangs_costs_its_group_and_calls_go_on(play):
    def reward(played):
        if played.seed == 1:
            threading.Event().wait()
        return 1.0

    result, _ = play(up, program=climb, seeds=[0, 1, 2], reward=reward, timeout_s=3.0)
    assert sorted(group.task.seed for group in result.groups) == [0, 2]
    (lost,) = result.lost
    assert lost.kind == "timeout"
    assert "env_config['reward'] has taken 3 s" in lost.message


def test_a_group_of_rewards_that_hang_keeps_no_other_group(endpoint):
    def reward(played):
        if played.seed == 0:
            threading.Event().wait()
        return 1.0

    with endpoint(up, program=climb, reward=reward, timeout_s=2.0) as (rollout, _):
        rollout.start([GroupTask(0, 0, 12, SAMPLING)])
        assert [lost.kind for lost in finish(rollout).lost] == ["timeout"]
        rollout.start([GroupTask(index, index, 2, SAMPLING) for index in (1, 2, 3)])
        assert len(finish(rollout).groups) == 3


def test_waiting_for_a_thread_does_not_count_as_time_of_a_reward(play, monkeypatch):
    monkeypatch.setattr(reward_threads, "_NUM_THREADS", 1)

    def reward(played):
        time.sleep(1.3)
        return 1.0

    result, _ = play(up, program=climb, group_size=3, reward=reward, timeout_s=3.0)
    assert result.lost == []
    assert len(result.episodes) == 3


def test_a_reward_that_exits_costs_its_group(play):
    result, _ = play(up, program=climb, group_size=1, reward=lambda played: sys.exit(3))
    assert [lost.kind for lost in result.lost] == ["reward"]
    assert "SystemExit" in result.lost[0].message


def test_threads_of_rewards_that_were_given_up_end_with_them():
    threads, running, most, lock = RewardThreads(), set(), [0], threading.Lock()

    def find(number, wait):
        with lock:
            running.add(number)
            most[0] = max(most[0], len(running))
        wait()
        with lock:
            running.discard(number)

    for _ in range(3):  # each time, all threads are replaced
        release = threading.Event()
        hanging = [threads.judge(partial(find, n, release.wait)) for n in range(4)]
        while not all(verdict.seconds for verdict in hanging):
            time.sleep(0.001)
        for verdict in hanging:
            verdict.abandon()
        release.set()
        while not all(verdict.is_known for verdict in hanging):
            time.sleep(0.001)
    most[0] = 0
    later = [threads.judge(partial(find, n, partial(time.sleep, 0.02))) for n in range(20)]
    while not all(verdict.is_known for verdict in later):
        time.sleep(0.001)
    assert most[0] == 4
    threads.stop()


def test_without_room_for_a_thread_what_hangs_is_given_up_all_the_same(monkeypatch):
    threads, release = RewardThreads(), threading.Event()
    hanging = threads.judge(release.wait)
    while not hanging.seconds:
        time.sleep(0.001)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        hanging.abandon()
    release.set()
    after = threads.judge(dict)
    while not after.is_known:
        time.sleep(0.001)
    assert after.outcome() == {}
    threads.stop()


def test_what_is_given_up_never_starts_and_leaves_its_thread():
    threads, release, ran = RewardThreads(), threading.Event(), []
    hanging = [threads.judge(release.wait) for _ in range(reward_threads._NUM_THREADS)]
    while not all(verdict.seconds for verdict in hanging):
        time.sleep(0.001)
    waiting = threads.judge(lambda: ran.append("waiting"))
    assert waiting.seconds == 0
    waiting.abandon()
    hanging[0].abandon()
    after = threads.judge(lambda: {"reward": 1.0})
    while not after.is_known:
        time.sleep(0.001)
    assert after.outcome() == {"reward": 1.0}
    assert ran == []
    release.set()
    threads.stop()


def test_a_command_that_nobody_rewards_is_told_how(play, tmp_path):
    script = tmp_path / "agent.py"
    script.write_text(
        "import openai\n"
        "messages = [{'role': 'user', 'content': 'floor'}]\n"
        "openai.OpenAI().chat.completions.create(model='policy', messages=messages)\n"
        "print(1.0)\n"
    )
    result, _ = play(up, program=[sys.executable, str(script)], group_size=1)
    assert "a reward is '1.0" in result.lost[0].message
    assert "Nobody rewarded the episode: set env_config={'reward': ...}" in result.lost[0].message
