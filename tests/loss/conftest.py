"""Fixtures for packing: random rows and a tiny causal LM."""

import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows


@pytest.fixture
def make_rows():
    """Return a function that draws random rows."""

    def make(num_rows, *, seed=0, num_minibatches=1):
        rng = np.random.default_rng(seed)
        prompt_lengths = rng.integers(1, 12, num_rows)
        response_lengths = rng.integers(0, 5, num_rows)
        return TokenRows.from_rows(
            [rng.integers(1, 32, length).tolist() for length in prompt_lengths],
            [rng.integers(1, 32, length).tolist() for length in response_lengths],
            rollout_logp=[-rng.random(length) for length in response_lengths],
            advantages=np.repeat(rng.normal(size=num_rows), response_lengths),
            minibatch_ids=rng.integers(0, num_minibatches, num_rows),
            num_minibatches=num_minibatches,
        )

    return make


@pytest.fixture(scope="session")
def double_model():
    """Return a Qwen2 in float64 with a few thousand parameters."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    return transformers.Qwen2ForCausalLM(config).double().eval()
