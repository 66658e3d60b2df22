"""A taskset of the package ``verifiers``, played by its adapter: `make integrations`."""

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
            yield SumTask(data, self.config.task)


__all__ = ["SumTaskset"]
"""


@pytest.fixture
def write_taskset(tmp_path, monkeypatch):
    """Return a function that writes a taskset's module, with more lines in its task."""
    if IS_REQUIRED:
        importlib.import_module("verifiers.v1")
    pytest.importorskip("verifiers.v1", reason="`make integrations` installs it")
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, more="pass"):
        (tmp_path / f"{name}.py").write_text(TASKSET.format(more=more))
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


@pytest.mark.parametrize(
    ("more", "options", "message"),
    [
        ("NEEDS_CONTAINER = True", {}, "it needs a container"),
        ("toolsets = classmethod(lambda cls, config: [1])", {}, "it needs tools"),
        ("pass", {"num_tasks": 4}, "it has 4 tasks of 5"),
    ],
)
def test_what_one_turn_cannot_play_is_refused(write_taskset, more, options, message):
    name = write_taskset(f"sums_refused_{len(more)}", more)
    with pytest.raises(ValueError, match=f"cannot be played: {message}.*Fix it in env_config"):
        make(ENV, name=name, **options)


def test_a_taskset_that_is_not_installed_is_told(write_taskset):
    with pytest.raises(ImportError, match="no_such_taskset"):
        make(ENV, name="no_such_taskset")
