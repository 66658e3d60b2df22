"""The formats of tool calls: what is written is read, and what is broken is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.tools.call_text import ToolCall, read_action, write_calls
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.tool_calls import TOOL_CALL_FORMATS, tool_setting
from rllib_gigpo.prompting.tool_calls.tool_call_parser import ToolCallParser
from rllib_gigpo.prompting.tool_calls.tool_results import ToolResults

FORMATS = {name: kind() for name, kind in TOOL_CALL_FORMATS.known.items()}
ADD = ToolCall("add", {"a": 1, "b": [2.5, None, {"c": True}]})
SAY = ToolCall("say", {"text": 'a "quote" {brace} \\ ü\nnew </x> [y] ; line'})
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=5,
)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


def parser(name="hermes", **kwargs):
    return ToolCallParser(FORMATS[name], **kwargs)


@pytest.mark.parametrize("name", FORMATS)
def test_calls_that_are_written_are_read(name):
    texts_only = ToolCall("add", {"a": "1", "b": '[2.5, null, {"c": true}]'})
    first = texts_only if name == "qwen3_coder" else ADD  # whose values are text
    written = FORMATS[name].write([ADD, SAY])
    assert FORMATS[name].parse(written) == [first, SAY]
    assert FORMATS[name].parse(f"I have to add first.\n{written}") == [first, SAY]
    assert FORMATS[name].parse("The sum is 3, as {everyone} knows.") is None


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"qwen3_coder"}))
@given(
    calls=st.lists(
        st.builds(ToolCall, names, st.dictionaries(names, values)), min_size=1, max_size=3
    )
)
@settings(max_examples=40, deadline=None)
def test_any_calls_survive_json_formats(name, calls):
    assert FORMATS[name].parse(FORMATS[name].write(calls)) == calls


@pytest.mark.parametrize("name", FORMATS)
@given(
    text=st.text(max_size=60),
    start=st.sampled_from(["", "<tool_call>", "[TOOL_CALLS]", '{"name":']),
)
@settings(max_examples=60, deadline=None)
def test_no_response_raises(name, text, start):
    parsed = parser(name).parse(start + text, None)
    assert parsed.action or not parsed.is_format_valid


@pytest.mark.parametrize(
    ("name", "response", "told"),
    [
        (
            "hermes",
            '<tool_call>{"name": "add", "arguments": {"a": 1}}',
            "must end with </tool_call>",
        ),
        (
            "hermes",
            '<tool_call>{"name": "add", "arg</tool_call>',
            "JSON after <tool_call> is broken",
        ),
        ("hermes", '<tool_call>["add"]</tool_call>', 'a JSON object with "name"'),
        (
            "hermes",
            '<tool_call>{"name": "a", "arguments": [1]}</tool_call>',
            'The "arguments" of a',
        ),
        ("hermes", '{"name": "add", "arguments": {}}', "To call a tool, write <tool_call>"),
        ("hermes", "</tool_call>", "no <tool_call> before"),
        ("llama3", '{"name": "add", "parameters": {"a": ', "JSON of the call is broken"),
        ("mistral", "[TOOL_CALLS] add(1, 2)", "JSON after [TOOL_CALLS] is broken"),
        ("mistral_args", "[TOOL_CALLS] [1]", "[ARGS]"),
        ("qwen3_coder", "<tool_call><function=add><parameter=a>1</tool_call>", "</function>"),
        ("qwen3_coder", "<function=add><parameter=a>1</function>", "</parameter>"),
        ("qwen3_coder", "<tool_call>add</tool_call>", "must hold <function=name>"),
        ("hermes", "  ", "The response is empty"),
        ("hermes", "<think>so", "The thought must end with </think>"),
        ("hermes", "<tool_call>" + "[" * 100_000, "JSON after <tool_call> is broken"),
        ("hermes", '<tool_call>{"name": ' + "9" * 5000, "JSON after <tool_call> is broken"),
    ],
)
def test_a_broken_call_is_invalid_and_told(name, response, told):
    parsed = parser(name).parse(response, None)
    assert not parsed.is_format_valid
    assert not parsed.is_admissible
    error = read_action(parsed.action)
    assert isinstance(error, str)
    assert told in error


def test_variants_that_models_write_are_understood():
    assert FORMATS["llama3"].parse(
        '<|python_tag|>{"type": "function", "name": "f", "parameters": {}}'
    ) == [ToolCall("f", {})]
    assert FORMATS["hermes"].parse(
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>'
    ) == [ToolCall("f", {"a": 1})]
    assert FORMATS["mistral"].parse('[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "x"}]') == [
        ToolCall("f", {})
    ]
    assert FORMATS["mistral_args"].parse("[TOOL_CALLS]f[CALL_ID]a1b2c3d4e[ARGS]{}") == [
        ToolCall("f", {})
    ]


def test_a_thought_may_come_first_and_calls_in_it_do_not_count():
    thought = f"<think>{FORMATS['hermes'].write([SAY])}</think>"
    parsed = parser().parse(thought + FORMATS["hermes"].write([ADD]), None)
    assert parsed.is_format_valid
    assert read_action(parsed.action) == [ADD]
    assert parser().parse(f"{thought} 3", None).action == "3"
    assert not parser(require_think=True).parse("3", None).is_format_valid


@pytest.mark.parametrize("name", FORMATS)
def test_a_demonstration_is_written_so_that_it_is_read(name):
    action = write_calls([SAY])
    assert parser(name).parse(parser(name).format(action), None).action == action
    assert parser(name).format("42") == "42"
    needs_thought = parser(name, require_think=True)
    assert needs_thought.parse(needs_thought.format(action), None).action == action


@pytest.mark.parametrize("name", FORMATS)
def test_marks_replace_the_values_and_nothing_else(name):
    one = parser(name)
    plain = one.format(write_calls([SAY]))
    marked = one.format_marked(write_calls([SAY]), lambda text: "\ue000" * len(text))
    assert len(marked) == len(plain)
    assert "quote" not in marked
    rest = [(a, b) for a, b in zip(plain, marked, strict=True) if b != "\ue000"]
    assert all(a == b for a, b in rest)
    assert len(rest) == len(plain) - marked.count("\ue000")


def test_the_setting_is_a_name_a_class_or_off():
    assert tool_setting(None) is tool_setting(False) is None
    assert tool_setting("auto") == tool_setting(True) == "auto"
    assert tool_setting("llama3").name == "llama3"
    own = type("OwnFormat", (type(FORMATS["hermes"]),), {"name": "own"})
    assert type(tool_setting(own)) is own
    with pytest.raises(ConfigError, match="use one of hermes, llama3, mistral"):
        tool_setting("lama3")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", ["\n", "<function=", "[TOOL_CALLS]", "{", "<tool_call>"])
def test_a_long_senseless_response_is_read_at_once(name, text):
    """With a regular expression that backtracks, the test would take minutes."""
    found = FORMATS[name].parse(text * 20_000)
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("mistral", "[TOOL_CALLS] []"),
        ("llama3", "<|python_tag|>add.call(a=1, b=2)"),
        ("hermes", "<tool_call>"),
    ],
)
def test_a_mark_without_a_call_is_not_an_answer(name, response):
    parsed = parser(name).parse(response, None)
    assert not parsed.is_format_valid
    assert isinstance(read_action(parsed.action), str)


def test_a_short_form_for_people_is_an_answer_of_the_model():
    parsed = parser().parse("add(a=1, b=2)", None)
    assert parsed.is_format_valid
    assert read_action(parsed.action) is None


def test_llama_may_write_the_parameters_first():
    found = FORMATS["llama3"].parse('{"parameters": {"a": 1, "b": 2}, "name": "add"}')
    assert found == [ToolCall("add", {"a": 1, "b": 2})]


def test_values_of_a_format_without_json_have_the_types_of_the_schema():
    properties = {
        "number": {"type": "integer"},
        "text": {"type": "string"},
        "items": {"type": "array"},
        "any": {},
    }
    function = {"name": "f", "parameters": {"type": "object", "properties": properties}}
    schemas = [{"type": "function", "function": function}]
    call = ToolCall("f", {"number": "3", "text": "4", "items": "[1]", "any": "word"})
    response = FORMATS["qwen3_coder"].write([call])
    parsed = parser("qwen3_coder", schemas=schemas).parse(response, None)
    expected = ToolCall("f", {"number": 3, "text": "4", "items": [1], "any": "word"})
    assert read_action(parsed.action) == [expected]


def test_a_thought_that_the_prompt_opened_must_be_closed():
    thinking, call = parser(opens_thought=True), FORMATS["hermes"].write([ADD])
    assert not thinking.parse("I should look the figs up first, then the", None).is_format_valid
    assert not thinking.parse(f"Perhaps {call}? No", None).is_format_valid
    assert read_action(thinking.parse(f"Yes.</think>{call}", None).action) == [ADD]


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("mistral", '[TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}, "id": "abcdefghi"}]'),
        ("mistral_args", '[TOOL_CALLS]add[CALL_ID]abcdefghi[ARGS]{"a": 1}'),
    ],
)
def test_the_id_that_a_model_gives_to_a_call_is_that_of_its_result(name, response):
    parsed = parser(name).parse(response, None)
    (call,) = read_action(parsed.action)
    assert (call, call.id) == (ToolCall("add", {"a": 1}), "abcdefghi")
    results = ToolResults.of_info(
        {
            "tool_results": [
                {"name": "add", "content": "1", "id": call.id},
                {"name": "f", "content": ""},
            ]
        }
    )
    assert [one["tool_call_id"] for one in results.messages()] == ["abcdefghi", "000000001"]
