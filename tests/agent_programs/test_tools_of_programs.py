"""Programs whose model calls tools: OpenAI's client by hand, and an agent framework from PyPI."""

import itertools
import json

import pytest
from agent_programs.climbers import client_of

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.prompting.tool_calls.hermes_format import HermesFormat

FLOORS = {"cellar": 0, "kitchen": 1, "attic": 3}
LOOK_UP = {
    "type": "function",
    "function": {
        "name": "floor_of",
        "description": "Find a room.",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string", "description": "The room."}},
            "required": ["room"],
        },
    },
}


def floor_of(room: str) -> int:
    """Find the floor of a room.

    Args:
        room: The name of the room.
    """
    return FLOORS[room]


def looks_up(prompt):
    """Ask for the attic's floor, then answer with the result."""
    if "assistant" not in prompt.removesuffix("assistant\n"):
        call = {"name": "floor_of", "arguments": {"room": "attic"}}
        return f"I look. <tool_call>\n{json.dumps(call)}\n</tool_call>"
    return "up to 3" if "tool\n3<" in prompt else "lost"


def with_openai(base_url, api_key):
    client = client_of(base_url, api_key)
    messages = [{"role": "user", "content": "Where is the attic?"}]
    while True:
        message = (
            client.chat.completions.create(model="policy", messages=messages, tools=[LOOK_UP])
            .choices[0]
            .message
        )
        if not message.tool_calls:
            return float(message.content == "up to 3")
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            floor = FLOORS[json.loads(call.function.arguments)["room"]]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(floor)})


def with_pydantic_ai(base_url, api_key):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=base_url, api_key=api_key)
    agent = Agent(OpenAIChatModel("policy", provider=provider), tools=[floor_of])
    return float(agent.run_sync("Where is the attic?").output == "up to 3")


@pytest.fixture(params=[with_openai, with_pydantic_ai])
def played(request, play):
    return play(looks_up, program=request.param)


def test_a_tool_is_called_and_its_result_reaches_the_model(played):
    result, _ = played
    assert [lost.message for lost in result.lost] == []
    assert [len(episode) for episode in result.episodes] == [2, 2]
    assert [episode.get_return() for episode in result.episodes] == [1, 1]


def test_the_captured_ids_are_those_of_the_engine(played, tokenizer):
    result, engine = played
    prompts = {one.request_id: list(one.prompt_token_ids) for one, _ in engine.requests}
    for episode in result.episodes:
        for index, record in enumerate(step_records([episode])):
            assert list(record.prompt_token_ids) == prompts[f"{episode.id_}-{index}"]
            answer = looks_up(tokenizer.decode(record.prompt_token_ids))
            assert record.response_token_ids == [*tokenizer.encode(answer), tokenizer.eos_token_id]


def test_a_chat_with_results_is_only_appended_to(played):
    result, _ = played
    for episode in result.episodes:
        for before, after in itertools.pairwise(step_records([episode])):
            kept = [*before.prompt_token_ids, *before.response_token_ids]
            assert list(after.prompt_token_ids[: len(kept)]) == kept
            assert after.num_message_tokens == len(after.prompt_token_ids) - len(kept)


def test_the_anchor_after_a_call_is_the_result(played):
    result, _ = played
    anchors = [record.anchor for record in step_records([result.episodes[0]])]
    assert anchors == ["Where is the attic?", "3"]


def test_the_prompt_shows_the_tools_as_the_chat_template_does(played):
    result, _ = played
    assert "floor_of(room)" in step_records(result.episodes)[0].prompt_text


def test_the_message_has_the_call_in_openais_form(play):
    seen = []

    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        seen.append(
            client.chat.completions.create(
                model="policy",
                messages=[{"role": "user", "content": "Where is the attic?"}],
                tools=[LOOK_UP],
            ).choices[0]
        )
        return 1

    play(looks_up, program=program, group_size=1)
    (choice,) = seen
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look."
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "floor_of")
    assert json.loads(call.function.arguments) == {"room": "attic"}
    assert len(call.id) == 9
    assert call.id.isalnum()


def messages_of(play, answer, *, tool, tools="auto"):
    """Return what a program gets that offers one tool and asks once."""
    got = []

    def program(base_url, api_key):
        question = [{"role": "user", "content": "Where?"}]
        client = client_of(base_url, api_key)
        answered = client.chat.completions.create(model="policy", messages=question, tools=[tool])
        got.append(answered.choices[0].message)
        return 1

    result, _ = play(lambda prompt: answer, program=program, group_size=1, tools=tools)
    return got, result


@pytest.mark.parametrize(
    "parameters", [None, {"type": "object", "properties": None}, {"properties": {"room": True}}]
)
def test_a_tool_may_leave_its_schema_open(play, parameters):
    call = "<tool_call>\n<function=f>\n<parameter=room>\n3\n</parameter>\n</function>\n</tool_call>"
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    (message,), _ = messages_of(play, call, tool=tool, tools="qwen3_coder")
    assert json.loads(message.tool_calls[0].function.arguments) == {"room": 3}


def test_half_a_surrogate_pair_in_a_name_is_one_step_and_reaches_the_program(play):
    call = '<tool_call>{"name": "f\\ud800", "arguments": {}}</tool_call>'
    (message,), result = messages_of(play, call, tool=LOOK_UP)
    assert message.tool_calls[0].function.name == "f?"
    assert [len(episode) for episode in result.episodes] == [1]


class BrokenFormat(HermesFormat):
    """A user's format with a mistake."""

    name = "broken"

    def find(self, response):
        return response["call"]


def test_a_format_that_raises_costs_the_group_and_not_the_run(play):
    got, result = messages_of(play, "up", tool=LOOK_UP, tools=BrokenFormat())
    assert got == []
    assert [lost.kind for lost in result.lost] == ["program"]
    assert "The model's answer cannot be read: TypeError" in result.lost[0].message


def test_streamed_calls_have_an_index(play):
    seen = []

    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        seen.extend(
            client.chat.completions.create(
                model="policy",
                messages=[{"role": "user", "content": "Where is the attic?"}],
                tools=[LOOK_UP],
                stream=True,
            )
        )
        return 1

    play(looks_up, program=program, group_size=1)
    calls = [call for chunk in seen for one in chunk.choices for call in one.delta.tool_calls or ()]
    assert [(call.index, call.function.name) for call in calls] == [(0, "floor_of")]


def test_a_broken_call_is_text_and_not_valid(play):
    broken = '<tool_call>{"name": </tool_call>'

    def program(base_url, api_key):
        answer = client_of(base_url, api_key).chat.completions.create(
            model="policy", messages=[{"role": "user", "content": "up?"}], tools=[LOOK_UP]
        )
        return float(answer.choices[0].message.content == broken)

    result, _ = play(lambda prompt: broken, program=program)
    assert [episode.get_return() for episode in result.episodes] == [1, 1]
    assert not any(record.is_format_valid for record in step_records(result.episodes))


def test_a_call_inside_a_thought_is_none(play):
    thought = '<think><tool_call>{"name": "floor_of", "arguments": {}}</tool_call></think>up'

    def program(base_url, api_key):
        message = (
            client_of(base_url, api_key)
            .chat.completions.create(
                model="policy", messages=[{"role": "user", "content": "up?"}], tools=[LOOK_UP]
            )
            .choices[0]
            .message
        )
        return float(message.tool_calls is None and message.content == thought)

    result, _ = play(lambda prompt: thought, program=program)
    assert [episode.get_return() for episode in result.episodes] == [1, 1]
    assert all(record.is_format_valid for record in step_records(result.episodes))
