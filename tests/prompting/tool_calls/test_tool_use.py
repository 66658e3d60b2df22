"""How a chat template is found to show tools and to write calls."""

import pytest
from support.chat.families import FAMILIES
from support.chat.published import GEMMA, QWEN_2_5
from support.chat.tool_templates import BY_FORMAT

from rllib_gigpo.cli.playing.played_step import listed
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.prompting import PromptInputs, PromptTemplate, renderer_of
from rllib_gigpo.prompting.tool_calls import tool_setting
from rllib_gigpo.prompting.tool_calls.tool_use import find_tool_use

PROPERTIES = {"a": {"type": "integer", "description": "A number."}}
PARAMETERS = {"type": "object", "properties": PROPERTIES, "required": ["a"]}
FUNCTION = {"name": "double", "description": "Double a number.", "parameters": PARAMETERS}
TOOLS = [{"type": "function", "function": FUNCTION}]


def opening(tokenizer, use, **kwargs):
    template = PromptTemplate.from_name_or_source("default")
    renderer = renderer_of("auto", tokenizer, template, tools=use, max_prompt_tokens=4000, **kwargs)
    return renderer.render(PromptInputs("Double 4.", task="Double 4.")).text


@pytest.mark.parametrize("name", BY_FORMAT)
def test_the_format_is_found_by_what_the_chat_template_writes(name):
    tokenizer = BY_FORMAT[name].tokenizer()
    use = find_tool_use(tokenizer, "auto", TOOLS)
    assert use.tool_format.name == name
    assert use.in_template
    text = opening(tokenizer, use)
    assert text.count('"name": "double"') == text.count("Double 4.") == 1


def test_a_new_tiny_model_writes_hermes_calls_and_is_told_of_tools_in_few_words():
    tokenizer = build_tokenizer(["go"], 300)
    use = find_tool_use(tokenizer, "auto", TOOLS)
    assert use.tool_format.name == "hermes"
    assert opening(tokenizer, use).startswith("<|im_start|>system\ntools: double(a)<|im_end|>\n")


def test_a_tool_that_leaves_its_parameters_out_has_none():
    (bare,) = listed([{"type": "function", "function": {"name": "look"}}]).splitlines()
    assert bare == "look()"
    tokenizer = build_tokenizer(["go"], 300)
    for function in ({"name": "look"}, {"name": "look", "parameters": None}):
        use = find_tool_use(tokenizer, "auto", [{"type": "function", "function": function}])
        assert opening(tokenizer, use).startswith("<|im_start|>system\ntools: look()<|im_end|>\n")


def test_a_template_without_calls_needs_a_format_and_gets_the_tools_in_the_system_prompt():
    tokenizer = QWEN_2_5.tokenizer()
    with pytest.raises(ConfigError, match=r"no format fits .* hermes, llama3, mistral"):
        find_tool_use(tokenizer, "auto", TOOLS)
    use = find_tool_use(tokenizer, tool_setting("hermes"), TOOLS)
    text = opening(tokenizer, use, system_prompt="Be brief.")
    assert text.startswith("<|im_start|>system\nBe brief.\n\nYou can call these tools")
    assert '{"name": "double", "description"' in text
    assert '<tool_call>\n{"name": "name", "arguments": {"argument": "value"}}\n</tool_call>' in text


def test_a_template_without_a_system_role_cannot_be_told_of_tools():
    tokenizer = GEMMA.tokenizer()
    use = find_tool_use(tokenizer, tool_setting("hermes"), TOOLS)
    with pytest.raises(ConfigError, match="no system role"):
        opening(tokenizer, use)


def test_without_tools_there_is_no_use_and_a_format_is_an_error():
    tokenizer = FAMILIES["byte_level"]()
    assert find_tool_use(tokenizer, "auto", []) is None
    assert find_tool_use(tokenizer, None, TOOLS) is None
    with pytest.raises(ConfigError, match=r"tools='hermes'.* needs an environment with tools"):
        find_tool_use(tokenizer, tool_setting("hermes"), [])


def test_one_prompt_a_step_shows_tools_too():
    tokenizer = BY_FORMAT["hermes"].tokenizer()
    use = find_tool_use(tokenizer, "auto", TOOLS)
    renderer = renderer_of(
        "step",
        tokenizer,
        PromptTemplate.from_name_or_source("default"),
        tools=use,
        max_prompt_tokens=4000,
    )
    text = renderer.render(PromptInputs("8", task="Double 4.", step=2)).text
    assert '"name": "double"' in text
    assert text.index("Double 4.") < text.rindex("8")
