"""Fixtures for layouts: random rows, a tiny causal LM, and the slow reference of their scores."""

import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.loss.log_probs import response_log_probs
from rllib_gigpo.models.model_adapter import ModelAdapter


@pytest.fixture
def make_rows():
    """Return a function that draws random rows; with few different tokens they share prefixes."""

    def make(num_rows, *, seed=0, num_minibatches=1, num_tokens=31, group_ids=None):
        rng = np.random.default_rng(seed)
        prompt_lengths = rng.integers(1, 12, num_rows)
        response_lengths = rng.integers(0, 5, num_rows)
        return TokenRows.from_rows(
            [rng.integers(1, num_tokens + 1, length).tolist() for length in prompt_lengths],
            [rng.integers(1, num_tokens + 1, length).tolist() for length in response_lengths],
            rollout_logp=[-rng.random(length) for length in response_lengths],
            advantages=np.repeat(rng.normal(size=num_rows), response_lengths),
            minibatch_ids=rng.integers(0, num_minibatches, num_rows),
            num_minibatches=num_minibatches,
            group_ids=group_ids,
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


@pytest.fixture(scope="session")
def score():
    """Return a function that scores micro-batches with a model's adapter.

    It returns the log-probs of all response tokens, in row order, the gradients of a sum of them,
    and the hidden state of each row's last prompt token.
    """

    def run(model, rows, micro_batches):
        adapter = ModelAdapter(model)
        logp = torch.zeros(len(rows.rollout_logp), dtype=torch.float64)
        states = torch.zeros(rows.num_rows, model.config.hidden_size, dtype=torch.float64)
        for batch in micro_batches:
            hidden = adapter.hidden_states(batch)
            part, _ = response_log_probs(
                hidden[batch.logit_positions],
                batch.targets,
                lambda h: model.lm_head(h).double(),
                chunk_tokens=7,
            )
            logp = logp.index_put((batch.token_indices,), batch.per_token(part).double())
            states[batch.row_indices] = hidden[batch.state_positions].detach()
        gradients = torch.autograd.grad(logp.cos().sum(), list(model.parameters()))
        return logp.detach(), torch.cat([gradient.flatten() for gradient in gradients]), states

    return run


@pytest.fixture(scope="session")
def score_one_by_one():
    """Return the slow reference of `score`: each row alone, with all logits at once."""

    def run(model, rows):
        logps, states, offsets = [], [], rows.row_offsets
        for row in range(rows.num_rows):
            tokens = torch.from_numpy(rows.token_ids[offsets[row] : offsets[row + 1]]).long()
            output = model(input_ids=tokens[None], use_cache=False, output_hidden_states=True)
            all_logp = output.logits[0].float().log_softmax(-1)
            start = int(rows.prompt_lengths[row])
            logps += [all_logp[t - 1, tokens[t]] for t in range(start, len(tokens))]
            states.append(output.hidden_states[-1][0, start - 1].detach())
        logp = torch.stack(logps).double()
        gradients = torch.autograd.grad(logp.cos().sum(), list(model.parameters()))
        gradient = torch.cat([gradient.flatten() for gradient in gradients])
        return logp.detach(), gradient, torch.stack(states)

    return run


@pytest.fixture(scope="session")
def check_equal():
    """Return a function that compares results of `score`, to a share of the largest number."""

    def check(found, expected, *, bound=1e-6):
        for one, other in zip(found, expected, strict=True):
            largest = max(1.0, other.abs().max().item())
            torch.testing.assert_close(one, other, rtol=0, atol=bound * largest)

    return check
