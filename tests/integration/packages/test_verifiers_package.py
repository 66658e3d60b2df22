"""A taskset of the package ``verifiers``, played by its adapter: `make integrations`."""

import asyncio
import importlib
import os

import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.envs.making import make

ENV = "rllib_gigpo.envs:Verifiers-v0"
IS_REQUIRED = os.environ.get("RLLIB_GIGPO_VERIFIERS") == "required"

TASKSET = """
import verifiers.v1 as vf


class SumData(vf.TaskData):
    answer: str = ""


class SumTask(vf.Task[SumData]):
    {more}

    @vf.reward(weight=0)
    async def has_no_bang(self, trace: vf.Trace) -> float:
        if "!" in trace.last_reply:
            raise ValueError("a careless reward")
        return 0.0

    @vf.reward(weight=0.75)
    async def is_right(self, trace: vf.Trace) -> float:
        return float(trace.last_reply == self.data.answer)

    @vf.reward(weight=0.25)
    async def is_number(self, trace: vf.Trace) -> float:
        return float(trace.last_reply.isdecimal())


class SumConfig(vf.TasksetConfig):
    size: int = 20


class SumTaskset(vf.Taskset[SumTask, SumConfig]):
    def load(self):
        for number in range(self.config.size):
            data = SumData(prompt=f"What is {{number}} + 1?", answer=str(number + 1))
            task = SumTask(data.model_copy(update={update}), self.config.task)
            task.scoring_deferred = {is_deferred}
            yield task


__all__ = ["SumTaskset"]
"""


@pytest.fixture
def write_taskset(tmp_path, monkeypatch):
    """Return a function that writes a taskset's module, with more lines in its task."""
    if IS_REQUIRED:
        importlib.import_module("verifiers.v1")
    pytest.importorskip("verifiers.v1", reason="`make integrations` installs it")
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, more="pass", *, update=None, is_deferred=False):
        text = TASKSET.format(more=more, update=update or {}, is_deferred=is_deferred)
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def test_a_taskset_keeps_the_contract(write_taskset):
    report = check_env(ENV, env_config={"name": write_taskset("sums_of_one")}, num_episodes=2)
    assert report.is_ok, str(report)


@pytest.mark.parametrize(("answer", "score"), [("3", 1.0), (" 3\n", 1.0), ("4", 0.25), ("x", 0.0)])
def test_the_taskset_scores_an_answer(write_taskset, answer, score):
    env = make(ENV, name=write_taskset("sums_scored"))
    _, info = env.reset(seed=2)
    assert info["task"] == "What is 2 + 1?"
    text, reward, terminated, _, info = env.step(answer)
    assert (reward, terminated, info["won"]) == (score, True, score == 1)
    assert text == f"The answer scores {score:g}."


def test_test_seeds_have_tasks_of_their_own(write_taskset):
    env = make(ENV, name=write_taskset("sums_split"), size=10)
    training = {env.reset(seed=seed)[1]["task_id"] for seed in range(50)}
    tests = {env.reset(seed=FIRST_TEST_SEED + seed)[1]["task_id"] for seed in range(50)}
    assert tests == {"sums_split/4", "sums_split/9"}
    assert len(training) == 8
    assert not training & tests


def test_an_answer_that_a_reward_cannot_read_scores_nothing(write_taskset):
    env = make(ENV, name=write_taskset("sums_careless"))
    env.reset(seed=2)
    assert env.step("3!")[:3] == ("The answer scores 0.", 0.0, True)
    env.reset(seed=2)
    assert env.step("3")[1] == 1.0


def test_an_answer_is_scored_where_an_event_loop_runs_already(write_taskset):
    env = make(ENV, name=write_taskset("sums_in_a_notebook"))

    async def play(answer):
        env.reset(seed=2)
        return env.step(answer)[1]

    assert [asyncio.run(play(answer)) for answer in ("3", "4", "3!")] == [1.0, 0.25, 0.0]
    env.close()
    assert asyncio.run(play("3")) == 1.0  # also after a close
    env.close()


def test_a_reward_may_set_an_alarm(write_taskset):
    alarm = "import signal; signal.signal(signal.SIGALRM, signal.SIG_DFL)"
    more = f"@vf.metric\n    async def alarm(self, trace): {alarm}; return 1.0"
    env = make(ENV, name=write_taskset("sums_with_an_alarm", more))
    env.reset(seed=2)
    assert env.step("3")[1] == 1.0


def test_an_answer_keeps_its_lines(write_taskset):
    env = make(ENV, name=write_taskset("sums_of_lines", update={"answer": "a\n  b"}))
    env.reset(seed=0)
    assert env.step("a\n  b\n")[1] == 0.75


NEEDS_RUNTIME = "@vf.{}\n    async def with_it(self, trace, runtime): return 1.0"
NOT_PLAYED = {
    "container": ("NEEDS_CONTAINER = True", {}, "it needs a container"),
    "tools": ("toolsets = classmethod(lambda cls, config: [1])", {}, "it needs tools"),
    "setup": ("async def setup(self, trace, runtime): ...", {}, "it needs its own setup"),
    "finalize": ("async def finalize(self, trace, runtime): ...", {}, "it needs its own finalize"),
    "reward": (NEEDS_RUNTIME.format("reward"), {}, "it needs a runtime for its scores"),
    "metric": (NEEDS_RUNTIME.format("metric"), {}, "it needs a runtime for its scores"),
    "image": ("pass", {"update": {"image": "python:3.11"}}, "it needs an image"),
    "deferred": ("pass", {"is_deferred": True}, "it needs a score after the episode"),
    "empty": ("pass", {"update": {"prompt": " "}}, "it needs a user who begins"),
}


@pytest.mark.parametrize("name", NOT_PLAYED)
def test_what_one_turn_cannot_play_is_refused(write_taskset, name):
    more, how, message = NOT_PLAYED[name]
    taskset = write_taskset(f"sums_with_{name}", more, **how)
    with pytest.raises(ValueError, match=f"cannot be played: {message}.*Fix it in env_config"):
        make(ENV, name=taskset)


def test_a_reward_that_can_do_without_a_runtime_is_played(write_taskset):
    more = "@vf.metric\n    async def with_it(self, trace, runtime=None): return 1.0"
    env = make(ENV, name=write_taskset("sums_with_either", more))
    env.reset(seed=2)
    assert env.step("3")[1] == 1.0


def test_a_taskset_with_too_few_tasks_is_refused(write_taskset):
    with pytest.raises(ValueError, match="cannot be played: it has 4 tasks of 5"):
        make(ENV, name=write_taskset("sums_too_few"), num_tasks=4)


def test_a_taskset_that_is_not_installed_is_told(write_taskset):
    with pytest.raises(ImportError, match="no_such_taskset"):
        make(ENV, name="no_such_taskset")
