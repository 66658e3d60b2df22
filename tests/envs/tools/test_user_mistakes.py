"""A user's class, tasks and functions that are wrong: messages name what, where and the cure."""

import pytest

from rllib_gigpo.cli.main import main
from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.tools.tool_class import HookError
from rllib_gigpo.envs.tools.tools_env import ToolEnv


class Levers:
    """Two levers, of which the right one wins."""

    def reset(self, right):
        self._right = right
        self.pulled = None
        return "Pull the right lever."

    def pull(self, lever: int) -> str:
        """Pull a lever.

        Args:
            lever: Its number.
        """
        self.pulled = lever
        return "click"

    def get_reward(self):
        return float(self.pulled == self._right)


TASKS = [{"right": number % 2} for number in range(10)]


def with_row(number, **changes):
    """Return the tasks with one that differs; None takes a key away."""
    row = {key: value for key, value in {**TASKS[number], **changes}.items() if value is not None}
    return [*TASKS[:number], row, *TASKS[number + 1 :]]


class Broken:
    """A lever that cannot be pulled, without a docstring or a type."""

    def reset(self, right):
        return "Pull the lever."

    def pull(self, lever):
        raise ValueError("the lever broke")

    def get_reward(self):
        return 0.0


class Unmade(Levers):
    def __init__(self, number):
        self.number = number


class Toolless:
    def reset(self):
        return "Go."

    def get_reward(self):
        return 1.0


def spoilt(name, value):
    return type("Spoilt", (Levers,), {name: value})


def fail(*_):
    raise KeyError("nothing")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"tasks": with_row(3, colour="red")},
            r"^tasks\[3\] has 'colour', but Levers.reset takes right",
        ),
        (
            {"tasks": with_row(2, right=None)},
            r"^tasks\[2\] lacks 'right': Levers.reset takes right",
        ),
        ({"test_tasks": [{}]}, r"^test_tasks\[0\] lacks 'right'"),
        ({"environment": Unmade}, "needs number, but is made without arguments"),
        ({"environment": Toolless, "tasks": None}, "There is not a single tool"),
        ({"environment": "levers"}, "must be 'module:name', such as 'my_tools:levers'"),
    ],
)
def test_a_wrong_class_or_task_is_an_error_at_the_start(config, told):
    with pytest.raises(ValueError, match=told):
        ToolEnv(**{"environment": Levers, "tasks": TASKS, **config})


def test_a_task_of_a_function_is_checked_when_it_is_drawn():
    env = ToolEnv(environment=Levers, tasks=lambda seed: {"right": 0} if seed < 5 else {})
    env.reset(seed=4)
    with pytest.raises(ValueError, match="The task of seed 5 lacks 'right'"):
        env.reset(seed=5)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"environment": spoilt("reset", lambda self, right: fail())}, "Spoilt.reset"),
        ({"environment": spoilt("get_reward", fail)}, "Spoilt.get_reward"),
        ({"environment": spoilt("won", property(fail))}, "Spoilt.won"),
        ({"environment": spoilt("done", property(fail))}, "Spoilt.done"),
        ({"reward": fail}, r"env_config\['reward'\]"),
        ({"anchor": fail}, r"env_config\['anchor'\]"),
        ({"expert": fail}, r"env_config\['expert'\]"),
        (
            {"expert": lambda levers: {"name": "peep", "arguments": {}}},
            r"env_config\['expert'\] failed with ValueError: it called 'peep', but the tools are",
        ),
    ],
)
def test_a_function_that_fails_is_named(config, name):
    def play():
        env.reset(seed=0)
        env.step('{"name": "pull", "arguments": {"lever": 1}}')
        env.step("Done.")

    env = ToolEnv(**{"environment": Levers, "tasks": TASKS, **config})
    with pytest.raises(HookError, match=f"^{name}"):
        play()


def test_a_tool_that_always_fails_and_one_without_a_description_are_noted():
    report = check_env(ToolEnv(environment=Broken, tasks=TASKS), max_steps=10)
    assert report.is_ok
    notes = " ".join(report.notes)
    assert "the tool 'pull' has no docstring" in notes
    assert "the parameter 'lever' of the tool 'pull' has no type hint" in notes
    assert "the tool 'pull' answered with an error in all" in notes
    assert "ValueError: the lever broke" in notes
    assert "tool" not in " ".join(check_env(ToolEnv(environment=Levers, tasks=TASKS)).notes)


def test_a_person_who_plays_sees_the_tools_and_wins_by_the_reward(capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: typed.pop(0))
    typed = ["pull(0)", "Done."]
    module = f"{__name__}:Levers"
    config = f'{{"environment": "{module}", "tasks": "{__name__}:task_of"}}'
    assert main(["play", "rllib_gigpo.envs:Tools-v0", "--env-config", config]) == 0
    shown = capsys.readouterr().out
    assert "pull(lever)  Pull a lever." in shown
    assert "<action>" not in shown
    assert "won True, return 1" in shown


def task_of(seed):
    return {"right": 0}
