"""What a chat template does with tokens: which of them close an answer, and which are control."""

import pytest
from support.chat.families import CHATML, FAMILIES

from rllib_gigpo.prompting.chat_format import control_tokens, find_turn_end

ENDS = {
    "byte_level": ["<|im_end|>"],
    "metaspace": ["</s>"],
    "unigram": ["<end_of_turn>"],
    "plain_controls": ["<|end|>"],
    "words": ["<|im_end|>"],
}


@pytest.mark.fault("case 19", promise="The token that closes an answer is read from the template.")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_token_that_closes_an_answer_is_found(name):
    tokenizer = FAMILIES[name]()
    end = find_turn_end(tokenizer)
    assert end.token_ids == tokenizer.convert_tokens_to_ids(ENDS[name])
    assert end.plain_text == ""


def test_a_template_may_close_the_last_answer_differently():
    tokenizer = FAMILIES["byte_level"]()
    tokenizer.chat_template = CHATML.replace(
        "<|im_end|>", "{{ '<|im_end|>' if not loop.last else '<|pad|>' }}"
    )
    expected = tokenizer.convert_tokens_to_ids(["<|pad|>", "<|im_end|>"])
    assert find_turn_end(tokenizer).token_ids == sorted(expected)


@pytest.mark.parametrize("template", [None, "{{ messages[0]['content'] }}", "{{ raise_it() }}"])
def test_a_template_without_answers_says_nothing(template):
    tokenizer = FAMILIES["byte_level"]()
    tokenizer.chat_template = template
    assert find_turn_end(tokenizer).token_ids == []
    assert find_turn_end(tokenizer).plain_text == ""


def test_an_answer_that_is_closed_by_plain_text_is_told():
    tokenizer = FAMILIES["byte_level"]()
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "[/ANSWER]")
    assert find_turn_end(tokenizer).plain_text == "[/ANSWER]"


def test_a_token_of_the_template_is_control_even_if_it_is_not_marked_as_special():
    tokenizer = FAMILIES["plain_controls"]()
    written = set(control_tokens(tokenizer).values())
    assert written >= {"<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"}
