"""An environment made of a class: tasks, tools, what the agent sees, rewards, anchors."""

import asyncio
import json
import pickle
from dataclasses import dataclass
from typing import Annotated, Literal

import gymnasium
import pytest
from pydantic import Field
from support.games.trl_classes import ROWS, AsyncEnv, CounterEnv, WordEnv
from support.games.typed_calls import step_typed

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.envs.info_fence import read_info
from rllib_gigpo.envs.tools import stock_room
from rllib_gigpo.envs.tools.docstrings import read_docstring
from rllib_gigpo.envs.tools.tools_env import ToolEnv


def calls(*named):
    return json.dumps([{"name": name, "arguments": arguments} for name, arguments in named])


def contents(info):
    return [one["content"] for one in info["tool_results"]]


# ---------------------------------------------------------------- TRL's shape


def test_a_class_in_trls_shape_runs_unchanged():
    env = ToolEnv(environment=CounterEnv, tasks=ROWS)
    observation, info = env.reset(seed=1)
    assert observation == info["task"] == "Increment the counter by 2."
    observation, reward, terminated, _, info = env.step(calls(("increment", {"step": 2})))
    assert (observation, reward, terminated) == ("2", 0.0, False)
    assert info["tool_results"] == [{"name": "increment", "content": "2"}]
    *_, reward, terminated, _, info = env.step("It is done.")
    assert (reward, terminated) == (1.0, True)
    assert "tool_results" not in info
    env.reset(seed=2)  # the same instance again
    assert env.step("I did nothing.")[1] == 0.0
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("Really.")


def test_the_schema_is_the_one_that_trl_shows():
    from transformers.utils import get_json_schema

    env = ToolEnv(environment=CounterEnv, tasks=ROWS)
    expected = get_json_schema(CounterEnv().increment)
    expected["function"].pop("return", None)
    assert env.tools == [expected]


def test_an_attribute_done_ends_the_episode_and_an_attribute_reward_pays_it():
    env = ToolEnv(environment=WordEnv, tasks=[{"prompt": "Play."}] * 5)
    assert env.reset(seed=0)[0] == "Play.\n\nGuess the word of five letters."
    assert env.step(calls(("guess", {"guess": "crate"})))[:3] == ("GGG-G", 0.0, False)
    assert env.step(calls(("guess", {"guess": "crane"})))[:3] == ("GGGGG", 1.0, True)


def test_async_methods_are_awaited_in_a_running_loop_too():
    env = ToolEnv(environment=AsyncEnv)

    async def play():
        env.reset(seed=0)
        both = env.step(calls(("ask", {"what": "a", "times": 2}), ("ask", {"what": "b"})))
        return both[0], env.step("Done.")[1]

    assert asyncio.run(play()) == ('["a", "a"]\n["b"]', 1.0)
    env.close()
    assert env.reset(seed=0)[0] == "Ask twice."  # also after a close
    env.close()


@pytest.mark.parametrize("kind", [CounterEnv, WordEnv, AsyncEnv])
def test_trls_classes_keep_the_contract(kind):
    tasks = ROWS if kind is CounterEnv else None
    config = {"environment": kind, "tasks": tasks, "max_turns": 3}
    check_env("rllib_gigpo.envs:Tools-v0", env_config=config, num_episodes=4).raise_if_broken()


# ---------------------------------------------------------------- mistakes of the agent


@dataclass
class Point:
    x: int
    y: int = 0


class Typed:
    reward = 0.0

    def reset(self):
        return "Go."

    def place(
        self,
        at: Point,
        how: Literal["flat", "upright"] = "flat",
        *,
        times: Annotated[int, Field(ge=1)] = 1,
        note: str | None = None,
        tags: list[str] = (),
    ) -> str:
        """Place a thing.

        Args:
            at: Where to.
            how (str, optional): In which
                position.
        """
        return f"{at.x},{at.y} {how} {times} {note} {list(tags)}"

    def fail(self):
        raise KeyError("nothing here")

    def show(self) -> dict:
        return {"a": [1, None]}

    def nothing(self):
        pass

    def _hidden(self):
        pass


@pytest.fixture
def typed():
    env = ToolEnv(environment=Typed, max_turns=100)
    env.reset(seed=0)
    return env


def test_type_hints_become_a_schema_without_references(typed):
    functions = {one["function"]["name"]: one["function"] for one in typed.tools}
    assert list(functions) == ["place", "fail", "show", "nothing"]
    assert functions["place"]["description"] == "Place a thing."
    properties = functions["place"]["parameters"]["properties"]
    point = {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x"],
        "description": "Where to.",
    }
    assert properties["at"] == point
    assert properties["how"] == {
        "enum": ["flat", "upright"],
        "type": "string",
        "default": "flat",
        "description": "In which position.",
    }
    assert properties["times"] == {"type": "integer", "minimum": 1, "default": 1}
    assert properties["note"] == {"type": "string"}
    assert functions["place"]["parameters"]["required"] == ["at"]


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("place", {"at": {"x": 1}}, "1,0 flat 1 None []"),
        ("place", {"at": '{"x": 1, "y": "2"}', "times": "3", "note": 4}, "1,2 flat 3 4 []"),
        ("place", {"at": {"x": 1}, "tags": '["a"]'}, "1,0 flat 1 None ['a']"),
        ("show", {}, '{"a": [1, null]}'),
        ("nothing", {}, "Done."),
        ("fail", {}, "Error: fail() failed with KeyError: 'nothing here'"),
        ("place", {}, "Error: the argument 'at' is missing. The tool is place(at: object, how: "),
        ("place", {"at": {}}, "Error: the argument 'at' is wrong at ['x']: "),
        (
            "place",
            {"at": {"x": 1}, "how": "odd"},
            "input should be 'flat' or 'upright' (got 'odd')",
        ),
        ("place", {"at": {"x": 1}, "hw": "flat"}, "no argument 'hw' (did you mean 'how'?)"),
        ("place", {"at": {"x": 1}, "times": 0}, "greater than or equal to 1 (got 0)"),
        ("plce", {}, "Error: there is no tool 'plce'. The tools are place(at: object, how: "),
        ("_hidden", {}, "Error: there is no tool '_hidden'"),
        ("reset", {}, "Error: there is no tool 'reset'"),
    ],
)
def test_arguments_are_converted_and_mistakes_are_results(typed, name, arguments, result):
    observation, reward, terminated, _, info = typed.step(calls((name, arguments)))
    assert result in observation
    assert contents(info) == [observation]
    assert (reward, terminated) == (0.0, False)


def test_what_was_wrong_with_a_response_is_shown_and_changes_nothing(typed):
    before = typed.step(calls(("show", {})))[4]["anchor"]
    observation, _, terminated, _, info = typed.step('[{"error": "The JSON is broken."}]')
    assert observation == "Error: The JSON is broken."
    assert not terminated
    assert "tool_results" not in info
    assert info["anchor"] == before


@pytest.mark.parametrize(
    "typed_text",
    ["show()", '{"name": "show", "arguments": {}}', ' [{"name": "show", "arguments": {}}]'],
)
def test_people_may_type_a_call_in_short(typed, typed_text):
    assert step_typed(typed, typed_text)[0] == '{"a": [1, null]}'


@pytest.mark.parametrize(
    "answer", ["42", "[1, 2]", "shows()", "show(", "show(x for x in y)", '[{"name": 3}]', "[]", ""]
)
def test_any_other_text_is_the_answer(typed, answer):
    assert typed.step(answer)[2]


def test_lone_surrogates_and_endless_lists_do_no_harm(typed):
    text = '[{"name": "place", "arguments": {"at": {"x": 1}, "note": "\\ud800"}}]'
    observation = typed.step(text)[0]
    observation.encode()
    assert typed.step("[" * 100_000)[2]


# ---------------------------------------------------------------- anchors, rewards, tasks


def test_the_default_anchor_is_the_calls_with_arguments_and_results():
    env = ToolEnv(environment=CounterEnv, tasks=ROWS)
    anchors = [env.reset(seed=1)[1]["anchor"]]
    for step in (1, 1):
        anchors.append(env.step(calls(("increment", {"step": step})))[4]["anchor"])
    one = ("increment", '{"step": 1}', "1")
    assert anchors == [(), (one,), (one, ("increment", '{"step": 1}', "2"))]
    assert read_info({"anchor": anchors[2]})["anchor"] == anchors[2]


def test_a_long_result_counts_in_the_anchor_by_its_digest():
    class Long(Typed):
        def read(self, last: str) -> str:
            return "x" * 5000 + last

    anchors = set()
    for last in "aba":
        env = ToolEnv(environment=Long)
        env.reset(seed=0)
        anchors.add(env.step(calls(("read", {"last": last})))[4]["anchor"][0][2])
    assert len(anchors) == 2
    assert all(len(one) < 300 for one in anchors)


def test_an_own_anchor_replaces_the_default():
    env = ToolEnv(anchor=stock_room.known_facts)
    env.reset(seed=3)
    first, second = env._class.instance.asked
    orders = []
    for order in ([first, second], [second, first]):
        env.reset(seed=3)
        for good in order:
            info = env.step(calls(("count", {"good": good})))[4]
        orders.append(info["anchor"])
    assert orders[0] == orders[1]
    assert orders[0] != env.reset(seed=3)[1]["anchor"]


def test_the_turns_are_bounded_and_paid():
    env = ToolEnv(environment=CounterEnv, tasks=ROWS, max_turns=2)
    env.reset(seed=1)
    assert env.step(calls(("increment", {"step": 1})))[1:4] == (0.0, False, False)
    assert env.step(calls(("increment", {"step": 1})))[1:4] == (1.0, False, True)


def test_a_function_may_pay_and_sees_the_answer():
    env = ToolEnv(
        environment=CounterEnv, tasks=ROWS, reward=lambda one, answer: 10 * one.count + len(answer)
    )
    env.reset(seed=1)
    step_typed(env, "increment(2)")
    assert env.step("four")[1] == 24


def test_the_expert_of_the_stock_room_wins_and_is_written_as_an_action():
    env = ToolEnv(expert="rllib_gigpo.envs.tools.stock_room:expert")
    for seed in range(20):
        _, info = env.reset(seed=seed)
        done = False
        while not done:
            *_, done, _, info = env.step(info["expert_action"])
        assert info["won"]
        assert "expert_action" not in info


def test_the_hasty_expert_guesses_often_and_says_the_same_in_the_same_state():
    env = ToolEnv(expert=stock_room.hasty_expert)
    first = [env.reset(seed=seed)[1]["expert_action"] for seed in range(100)]
    assert first == [env.reset(seed=seed)[1]["expert_action"] for seed in range(100)]
    assert 30 < sum(action.isdigit() for action in first) < 70


def test_tasks_are_split_and_may_come_from_a_file_or_a_function(tmp_path):
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in ROWS))
    for tasks in (ROWS, str(file), "support.games.trl_classes:ROWS"):
        env = ToolEnv(environment=CounterEnv, tasks=tasks)
        train = {env.reset(seed=seed)[0] for seed in range(16)}
        test = {env.reset(seed=FIRST_TEST_SEED + seed)[0] for seed in range(4)}
        assert (len(train), len(test)) == (8, 2)
        assert not train & test
    from_file = ToolEnv(environment=CounterEnv, tasks=file)
    assert from_file.reset(seed=0)[1]["data_files"] == [str(file)]
    own = ToolEnv(environment=CounterEnv, tasks=lambda seed: {"prompt": f"Task {seed}", "goal": 1})
    assert own.reset(seed=77)[0] == "Task 77"
    two = ToolEnv(environment=CounterEnv, tasks=ROWS[:2], test_tasks=ROWS[2:3])
    assert two.reset(seed=FIRST_TEST_SEED + 5)[0] == "Increment the counter by 3."
    named = ToolEnv(tasks=None, anchor="rllib_gigpo.envs.tools.stock_room:known_facts")
    assert pickle.loads(pickle.dumps(named)).reset(seed=5) == named.reset(seed=5)


class NoReward:
    def reset(self, **task):
        return "Go."

    def act(self):
        pass


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"environment": object}, "object has no method reset"),
        ({"environment": "no_module:X"}, "cannot be imported"),
        ({"environment": 3}, "must be a class"),
        ({"tasks": ROWS[:3]}, r"Too few tasks \(3\) .* Set test_tasks"),
        ({"tasks": [1] * 5}, r"tasks\[0\] is 1; it must be a dict"),
        ({"tasks": []}, "tasks must be a list of dicts"),
        ({"tasks": "missing.jsonl"}, "cannot be read"),
        ({"tools": ["ad"]}, "must be a list of names out of count, add"),
        ({"reward": "pay"}, "reward='pay' must be 'module:name'"),
        ({"anchor": 3}, "anchor=3 is not a function"),
        ({"max_turns": 0}, "max_turns must be a whole number"),
    ],
)
def test_wrong_options_are_clear_errors(config, told):
    with pytest.raises(ValueError, match=told):
        ToolEnv(**config)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"tasks": [{"question": "?"}] * 5}, "has 'question', but StockRoom.reset takes seed"),
        ({"environment": CounterEnv}, "says nothing to the agent"),
        ({"tasks": [{"prompt": [{"role": "assistant", "content": "a"}]}] * 5}, "roles are system"),
    ],
)
def test_a_task_that_cannot_begin_says_why(config, told):
    with pytest.raises(ValueError, match=told):
        ToolEnv(**config).reset(seed=0)


def test_a_class_without_a_reward_is_told_before_it_is_played():
    with pytest.raises(ValueError, match=r"NoReward has neither get_reward\(\)"):
        ToolEnv(environment=NoReward).reset(seed=0)


def test_a_tool_with_unnamed_arguments_is_refused():
    class Stars(Typed):
        def many(self, *words: str):
            pass

    with pytest.raises(ValueError, match=r"The tool many takes \*words: str"):
        ToolEnv(environment=Stars)


def test_results_in_info_are_checked():
    assert read_info({"tool_results": ({"name": "a", "content": "b\ud800", "x": 1},)}) == {
        "tool_results": [{"name": "a", "content": "b?"}]
    }
    for wrong in (["a"], [{"name": "a"}], [{"name": "a", "content": 3}]):
        with pytest.raises(ValueError, match="'content'"):
            read_info({"tool_results": wrong})


GOOGLE = """Add up.

    Two lines.

    Args:
        a (int): First
            one.
        b: Last.

    Returns:
        c: The sum.
    """
NUMPY = """Add up.

    Two lines.

    Parameters
    ----------
    a : int
        First
        one.
    b : int
        Last.

    Returns
    -------
    c : int
        The sum.
    """
SPHINX = """Add up.

    Two lines.

    :param int a: First
        one.
    :param b: Last.
    :returns: The sum.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_docstrings_of_three_styles_are_read(docstring):
    def add(a, b):
        pass

    add.__doc__ = docstring
    assert read_docstring(add) == ("Add up. Two lines.", {"a": "First one.", "b": "Last."})
