"""Classes that are a little different: rewards, exits, results, prompts, threads, ids of calls."""

import json
from dataclasses import dataclass

import pytest
from support.games.typed_calls import step_typed

from rllib_gigpo.envs.info_fence import read_info
from rllib_gigpo.envs.tools.tool import Tool, result_text
from rllib_gigpo.envs.tools.tool_tasks import prompt_text
from rllib_gigpo.envs.tools.tools_env import ToolEnv


def test_a_reward_with_other_parameters_is_asked_without_the_answer():
    class Scaled:
        def reset(self):
            return "Go."

        def act(self) -> int:
            """Act."""
            return 1

        def get_reward(self, scale=2.0, **others):
            return scale

    env = ToolEnv(environment=Scaled)
    env.reset(seed=0)
    assert env.step("42")[1] == 2.0


def test_an_async_tool_that_exits_is_one_error():
    class Exiting:
        reward = 0.0

        def reset(self):
            return "Go."

        async def leave(self) -> None:
            """Leave."""
            raise SystemExit(1)

        async def stay(self) -> str:
            """Stay."""
            return "here"

    env = ToolEnv(environment=Exiting)
    env.reset(seed=0)
    with pytest.raises(SystemExit):
        step_typed(env, "leave()")
    env.reset(seed=0)
    assert step_typed(env, "stay()")[0] == "here"


def test_what_tools_return_is_shown_in_one_order_and_as_data():
    @dataclass
    class Point:
        x: int

    assert result_text({"b", "a", "c"}) == '["a", "b", "c"]'
    assert result_text([Point(1)]) == '[{"x": 1}]'


def test_contents_of_a_prompt_may_be_parts_of_text():
    parts = [{"type": "text", "text": "Go "}, {"type": "text", "text": "north."}]
    assert prompt_text([{"role": "user", "content": parts}]) == "Go north."
    with pytest.raises(ValueError, match="whose contents are text"):
        prompt_text([{"role": "user", "content": [{"type": "image"}]}])


def test_a_class_may_say_that_it_runs_in_threads():
    class Waiting:
        metadata = {"runs_in_threads": True}  # noqa: RUF012
        reward = 0.0

        def reset(self):
            return "Go."

        def act(self) -> int:
            """Act."""
            return 1

    assert ToolEnv(environment=Waiting).metadata["runs_in_threads"]
    assert "runs_in_threads" not in ToolEnv().metadata


def test_a_result_has_the_id_of_its_call_and_the_anchor_has_not():
    env = ToolEnv()
    env.reset(seed=0)
    name = env.tools[0]["function"]["name"]
    info = env.step(json.dumps([{"name": name, "arguments": {}, "id": "abcdefghi"}]))[4]
    assert read_info(info)["tool_results"][0]["id"] == "abcdefghi"
    assert "abcdefghi" not in str(info["anchor"])


def logged(method):
    def wrapper(self, *, a: int):
        return method(self, a)

    return wrapper


class Named:
    reward = 0.0

    def reset(self):
        return "Go."

    @logged
    def double(self, a):
        return 2 * a

    @logged
    def square(self, a):
        return a * a

    def find(self) -> str:
        return "found"

    search = find

    @classmethod
    def kind(cls) -> str:
        """Say what it is."""
        return cls.__name__

    @staticmethod
    def add(a: int, b: int) -> int:
        return a + b

    @property
    def size(self):
        raise RuntimeError("a property is not read")


def test_a_tool_has_the_name_of_its_attribute():
    env = ToolEnv(environment=Named)
    names = ["double", "square", "find", "search", "kind", "add"]
    assert [one["function"]["name"] for one in env.tools] == names
    env.reset(seed=0)
    typed = ["double(3)", "square(3)", "find()", "search()"]
    assert [step_typed(env, one)[0] for one in typed] == ["6", "9", "found", "found"]
    assert step_typed(env, "search(what=1)")[0].endswith("The tool is search().")


def test_class_methods_and_static_methods_are_tools():
    env = ToolEnv(environment=Named, tools=["kind", "add"])
    env.reset(seed=0)
    assert step_typed(env, "kind()")[0] == "Named"
    assert step_typed(env, "add(1, 2)")[0] == "3"
    assert env.tools[0]["function"]["description"] == "Say what it is."


def test_hints_that_cannot_be_read_are_told_with_the_attributes_name():
    class Unread(Named):
        def look(self, at: "Nowhere"):  # noqa: F821
            pass

        peer = look
        look = None

    with pytest.raises(ValueError, match="The type hints of the tool peer cannot be read"):
        ToolEnv(environment=Unread)


def test_a_schema_without_parameters_is_a_tool_that_takes_none():
    class Bare(Tool):
        name = "look"
        schema = {"type": "function", "function": {"name": "look"}}  # noqa: RUF012

        def call(self, arguments):
            return self.refusal(list(self.misfits(arguments)))

    assert Bare().call({"at": 1}).endswith("no argument 'at'. The tool is look().")
