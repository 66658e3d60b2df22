"""Classes that are a little different: rewards, exits, results, prompts, threads, ids of calls."""

import json
from dataclasses import dataclass

import pytest
from support.games.typed_calls import step_typed

from rllib_gigpo.envs.info_fence import read_info
from rllib_gigpo.envs.tools.tool import result_text
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
