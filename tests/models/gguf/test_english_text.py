"""Bits per byte against numbers worked by hand."""

import math

import pytest
import torch

from rllib_gigpo.models.gguf.english_text import bits_per_byte


class Uniform(torch.nn.Module):
    """Finds every token equally likely."""

    def forward(self, input_ids, use_cache):
        from types import SimpleNamespace

        return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 400))


def test_a_model_without_knowledge_needs_the_logarithm_of_its_vocabulary(tokenizer):
    text = "You are in a kitchen."
    ids = tokenizer(text)["input_ids"]
    rest = len(text) - len(tokenizer.decode(ids[:1]))
    expected = math.log2(400) * (len(ids) - 1) / rest
    assert bits_per_byte(Uniform(), tokenizer, text) == pytest.approx(expected, rel=1e-6)


def test_a_text_longer_than_the_context_is_cut(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "model_max_length", 3)
    text = "You are in a kitchen."
    pieces = [tokenizer.decode(one) for one in tokenizer(text)["input_ids"]]
    expected = math.log2(400) * 2 / len(pieces[1] + pieces[2])
    assert bits_per_byte(Uniform(), tokenizer, text) == pytest.approx(expected, rel=1e-6)
