"""Responses as text: tags survive even as special tokens; what cannot work is refused."""

import copy

import pytest
from support.chat.families import FAMILIES

from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import ActionParser, BlockParser
from rllib_gigpo.prompting.response_decoder import ResponseDecoder

ANSWER = "<think>east is open</think><action>go east</action>"


def with_special(tokenizer, *tokens):
    other = copy.deepcopy(tokenizer)
    other.add_special_tokens({"extra_special_tokens": list(tokens)})
    return other


def decode(tokenizer, parser, ids):
    class Generation:
        token_ids = ids

    batch = DecodeResponse(tokenizer, parser.tags)(batch={"generations": [Generation]})
    return batch["response_text"][0]


@pytest.mark.fault("case 20", promise="A tag that is a special token stays in the answer's text.")
def test_a_perfect_answer_in_special_tags_is_valid(tokenizer):
    other = with_special(tokenizer, "<action>", "</action>", "<think>", "</think>")
    ids = [*other(ANSWER)["input_ids"], other.eos_token_id]
    parser = ActionParser(require_think=True)
    (text,) = ResponseDecoder(other, parser.tags).decode([ids])
    assert text == ANSWER
    assert parser.parse(text, ["go east"]).is_admissible


@pytest.mark.fault("case 20", promise="The tags of blocks stay in the answer's text.")
def test_blocks_in_special_tags_are_found(tokenizer):
    other = with_special(tokenizer, "<search>", "</search>")
    parser = BlockParser(["search", "answer"])
    (text,) = ResponseDecoder(other, parser.tags).decode([other("<search>go</search>").input_ids])
    assert parser.parse(text, None).action == "<search>go</search>"


def test_other_special_tokens_are_left_out_as_before(tokenizer):
    other = with_special(tokenizer, "<action>", "</action>")
    ids = other("<|im_start|>go<|pad|> <action>east</action><|im_end|>").input_ids
    assert ResponseDecoder(other, ("action",)).decode([ids]) == ["go <action>east</action>"]
    assert ResponseDecoder(other).decode([ids]) == ["go east"]


@pytest.mark.fault("case 20", promise="A tag that ends the model's turn is refused.")
def test_a_tag_that_ends_a_turn_is_refused():
    with pytest.raises(ConfigError, match=r"'</s>' is the token that ends a turn"):
        ResponseDecoder(FAMILIES["metaspace"](), ("s",))


@pytest.mark.fault("case 20", promise="A tag that the tokenizer cannot write is refused.")
def test_a_tag_that_the_tokenizer_cannot_write_is_refused():
    with pytest.raises(ConfigError, match=r"'<action>' as '< action >'"):
        ResponseDecoder(FAMILIES["words"](), ("action",))
