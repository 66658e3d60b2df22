"""A micro-batch that does not fit on the GPU is an error that says what to lower."""

import numpy as np
import pytest
import torch

from rllib_gigpo.errors import UpdateError


@pytest.fixture
def full_gpu(monkeypatch):
    """Return a function that lets a Learner's GPU run out of memory in a forward pass."""

    def fill(learner):
        def fail(micro_batch):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

        monkeypatch.setattr(learner._causal_lm.adapter, "hidden_states", fail)
        return learner

    return fill


def test_the_error_of_an_update_names_the_budget(make_learner, train, make_rows, full_gpu):
    learner = full_gpu(make_learner(prefix_sharing=False, micro_batch_tokens=100))
    with pytest.raises(
        UpdateError, match=r"Lower training\(micro_batch_tokens=...\) below \d+;"
    ) as found:
        train(learner, make_rows())
    assert "Tried to allocate 2 GiB" in str(found.value)
    assert isinstance(found.value.__cause__, torch.OutOfMemoryError)


def test_the_backward_pass_counts_too(make_learner, train, make_rows, monkeypatch):
    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.Tensor, "backward", fail)
    with pytest.raises(UpdateError, match="micro_batch_tokens"):
        train(make_learner(), make_rows())


def test_a_single_row_needs_shorter_prompts(make_learner, train, make_rows, full_gpu):
    for prefix_sharing in (False, True):
        learner = full_gpu(make_learner(prefix_sharing=prefix_sharing, micro_batch_tokens=1))
        with pytest.raises(UpdateError, match=r"Lower llm\(max_prompt_tokens"):
            train(learner, make_rows())


@pytest.mark.parametrize(
    "settings", [{"old_logp": "recompute"}, {"kl_coeff": 0.1}], ids=["old", "reference"]
)
def test_scoring_tells_it_too(make_learner, train, make_rows, full_gpu, settings):
    learner = make_learner(**settings)
    with pytest.raises(UpdateError, match="micro_batch_tokens"):
        train(full_gpu(learner), make_rows())


def test_a_critics_values_tell_it_too(make_learner, make_rows, monkeypatch):
    learner = make_learner(rule="ppo", critic="head")

    def fail(micro_batch):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(learner._causal_lm, "values", fail)
    rows = make_rows().select(np.arange(4))
    with pytest.raises(UpdateError, match="micro_batch_tokens"):
        learner.values(rows)
