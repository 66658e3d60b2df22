"""Answers that a stop text ends: the tokens up to it, and the text before it."""

import numpy as np
import pytest
from support.quick_engine import certain

from rllib_gigpo.agent_programs.answer_reader import AnswerReader
from rllib_gigpo.engines.inference_engine import Generation
from rllib_gigpo.prompting.tool_calls.mistral_format import MistralFormat


@pytest.fixture
def generation(tokenizer):
    ids = [*tokenizer.encode("up Go to floor 3. down"), tokenizer.eos_token_id]
    return Generation(
        request_id="0-0-0",
        token_ids=ids,
        logp=-np.arange(len(ids), dtype=np.float32),
        weight_version=0,
        finish_reason="stop",
        token_versions=np.zeros(len(ids), np.int64),
        uncertainty=certain(len(ids)),
    )


def test_without_a_stop_text_an_answer_stays_whole(tokenizer, generation):
    same, text = AnswerReader(tokenizer).cut(generation, ("left", "right"))
    assert same is generation
    assert text == "up Go to floor 3. down"


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        (("floor",), "up Go to "),
        (("down", "floor"), "up Go to "),
        (("o f",), "up Go t"),
        (("up",), ""),
    ],
)
def test_an_answer_ends_with_the_token_that_completes_the_stop_text(
    tokenizer, generation, stops, expected
):
    cut, text = AnswerReader(tokenizer).cut(generation, stops)
    assert text == expected
    num_tokens = len(cut.token_ids)
    assert cut.token_ids == generation.token_ids[:num_tokens]
    assert cut.logp.tolist() == generation.logp[:num_tokens].tolist()
    assert len(cut.token_versions) == len(cut.uncertainty.entropy) == num_tokens
    kept, shorter = (tokenizer.decode(cut.token_ids[:n]) for n in (num_tokens, num_tokens - 1))
    assert any(stop in kept for stop in stops)
    assert not any(stop in shorter for stop in stops)


@pytest.mark.parametrize(("own", "is_kept"), [("abcdefghi", True), ("odd", False)])
def test_only_an_id_that_chat_templates_take_is_passed_on(tokenizer, own, is_kept):
    response = f'[TOOL_CALLS] [{{"name": "f", "arguments": {{}}, "id": "{own}"}}]'
    message, _ = AnswerReader(tokenizer).message(response, MistralFormat(), request_id="0-0-0")
    (call,) = message["tool_calls"]
    assert (call["id"] == own) == is_kept
    assert len(call["id"]) == 9
