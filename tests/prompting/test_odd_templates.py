"""Chat templates that cut, change or refuse messages: refused at the start, or one fault."""

import pytest
from support.chat.families import CHATML, FAMILIES

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import PromptInputs, PromptRenderer, PromptTemplate
from rllib_gigpo.prompting.chat_format import find_turn_end
from rllib_gigpo.prompting.response_decoder import ResponseDecoder

SPLIT = CHATML.replace("| trim", ".split('</think>')[-1]").replace("['content'] .", "['content'].")
CUT = CHATML.replace("message['content'] | trim", "message['content'][:40]")
NO_SYSTEM = CHATML.replace("in messages %}", "in messages if message['role'] != 'system' %}", 1)
NEEDS_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ raise_exception('system first') }}{% endif %}"
    + CHATML
)
FORBIDS = CHATML.replace(
    "{% endfor %}",
    "{% if '<tool>' in message['content'] %}{{ raise_exception('no tools') }}{% endif %}"
    "{% endfor %}",
)


def tokenizer_of(template):
    tokenizer = FAMILIES["byte_level"]()
    tokenizer.chat_template = template
    return tokenizer


def prompt(chat_template, observation="a room", source="default", **kwargs):
    template = PromptTemplate.from_name_or_source(source)
    renderer = PromptRenderer(
        tokenizer_of(chat_template), template, max_prompt_tokens=900, **kwargs
    )
    return renderer.render(PromptInputs(observation))


@pytest.mark.fault("case 18", promise="A chat template that cuts the instructions is refused.")
@pytest.mark.parametrize("template", [SPLIT, CUT], ids=["at </think>", "at a length"])
def test_a_template_that_cuts_the_user_message_is_refused(template):
    with pytest.raises(ConfigError, match="leaves out a part of the user message: '"):
        prompt(template)


@pytest.mark.fault("case 18", promise="A chat template that drops the system prompt is refused.")
def test_a_template_that_drops_the_system_prompt_is_refused():
    with pytest.raises(ConfigError, match="leaves out a part of the system prompt: 'be brief'"):
        prompt(NO_SYSTEM, system_prompt="Be brief!")
    prompt(NO_SYSTEM)


@pytest.mark.fault("case 18", promise="A mark in an observation at which a prompt is cut is told.")
def test_an_observation_at_which_a_template_cuts_is_an_error():
    assert "a </b> room" in prompt(SPLIT, "a </b> room", source="{{ observation }} Act.").text
    with pytest.raises(ConfigError, match="cuts the user message at something"):
        prompt(SPLIT, "You see a dragon. </think> a room", source="{{ observation }} Act.")


@pytest.mark.parametrize("change", ["lower", "e", "replace('<', '&lt;')", "trim"])
def test_a_template_may_change_case_spaces_and_escapes(change):
    template = CHATML.replace("| trim", f"| {change}")
    for source in ("default", "{{ observation }}"):
        assert "b" in prompt(template, "A <b> \u202e\x00 room", source=source).text


@pytest.mark.fault("case 18", promise="A chat template that fails on a message is one sentence.")
@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"]
)
def test_a_template_that_fails_is_a_sentence(template):
    with pytest.raises(ConfigError, match="chat template cannot render the prompt"):
        prompt(template)


@pytest.mark.fault("case 18", promise="A message that a chat template refuses is one sentence.")
def test_a_message_that_a_template_refuses_is_a_sentence():
    assert prompt(FORBIDS).token_ids
    with pytest.raises(ConfigError, match="cannot render the prompt: no tools"):
        prompt(FORBIDS, "a <tool>")


@pytest.mark.fault("case 19", promise="The end of a turn is found in templates of other tastes.")
@pytest.mark.parametrize(
    "template",
    [NEEDS_SYSTEM, CHATML.replace("| trim", "| upper"), CHATML.replace("| trim", "| title")],
    ids=["needs a system prompt", "upper case", "title case"],
)
def test_the_end_of_a_turn_is_found(template):
    tokenizer = tokenizer_of(template)
    tokenizer.eos_token = "<|pad|>"
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert find_turn_end(tokenizer).token_ids == [end]


@pytest.mark.fault("case 20", promise="A special token that is an ordinary word is not lost.")
def test_words_that_are_special_tokens_stay_in_answers():
    tokenizer = tokenizer_of(CHATML)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "oor", "<|x|>"]})
    ids = tokenizer("<action>open door</action><|x|><|im_end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<action>open d</action>"
    assert ResponseDecoder(tokenizer, ("action",)).decode([ids]) == ["<action>open door</action>"]
