"""The gradient of a batch of demonstrations: passes that fit in memory against one whole pass."""

import numpy as np
import pytest
import torch

from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.warm_start import FitSettings, StepProgress, print_progress
from rllib_gigpo.warm_start.batch_gradient import Accumulated, WholeBatch
from rllib_gigpo.warm_start.demonstrations import DemonstrationRow
from rllib_gigpo.warm_start.fit import _Told, fit


@pytest.fixture
def model():
    tokenizer = build_tokenizer(["go east"], vocab_size=300)
    return build_model(tokenizer, hidden_size=32, num_layers=2, num_heads=2).train()


def make_rows(num_rows, *, shared=12, seed=0):
    """Draw rows that begin alike."""
    rng = np.random.default_rng(seed)
    start = rng.integers(5, 250, size=shared).tolist()
    return [
        DemonstrationRow(
            prompt_ids=start + rng.integers(5, 250, size=rng.integers(1, 20)).tolist(),
            response_ids=rng.integers(5, 250, size=rng.integers(1, 4)).tolist(),
        )
        for _ in range(num_rows)
    ]


def gradient_and_score(model, gradient, rows):
    model.zero_grad()
    score = gradient.backward(rows)
    return torch.cat([one.grad.flatten() for one in model.parameters()]), score


@pytest.mark.parametrize("prompt_loss_weight", [0.0, 0.3])
@pytest.mark.parametrize("micro_batch_tokens", [1, 100, "auto"])
@pytest.mark.parametrize("prefix_sharing", [True, False])
def test_accumulated_passes_give_the_gradient_of_the_whole_batch(
    model, prompt_loss_weight, micro_batch_tokens, prefix_sharing
):
    rows = [*make_rows(20), DemonstrationRow([7], [8])]  # the last has no prompt token to learn
    expected, score = gradient_and_score(
        model, WholeBatch(model, prompt_loss_weight=prompt_loss_weight), rows
    )
    accumulated = Accumulated(
        model,
        prompt_loss_weight=prompt_loss_weight,
        autocast_dtype=None,
        micro_batch_tokens=micro_batch_tokens,
        prefix_sharing=prefix_sharing,
    )
    found, other = gradient_and_score(model, accumulated, rows)
    assert (found - expected).norm() < 1e-5 * expected.norm()
    assert other.loss == pytest.approx(score.loss, rel=1e-5)
    assert (other.num_correct, other.num_tokens) == (score.num_correct, score.num_tokens)


def test_in_bfloat16_the_gradient_is_near_that_of_float32(model):
    rows = make_rows(20)
    expected, _ = gradient_and_score(model, WholeBatch(model, prompt_loss_weight=0.0), rows)
    mixed = Accumulated(model, prompt_loss_weight=0.0, autocast_dtype="bfloat16")
    found, _ = gradient_and_score(model, mixed, rows)
    assert not torch.equal(found, expected)
    assert (found - expected).norm() < 0.03 * expected.norm()


def test_a_small_model_is_not_split(model):
    assert (
        Accumulated(model, prompt_loss_weight=0.0, autocast_dtype=None).micro_batch_tokens == 16_384
    )


# Losses of the fit before batches could be split, on one thread.
RECORDED = [5.95565677511281, 5.069579683501145, 4.7327142912766025]


def test_the_tiny_models_fit_is_the_one_of_old(model):
    """Its start weights are part of recorded runs."""
    settings = FitSettings(prompt_loss_weight=0.0)
    states = fit(model, [make_rows(30)] * 3, settings, lr=1e-3, batch_tokens=200, seed=0)
    assert [state.loss for state in states] == pytest.approx(RECORDED, abs=1e-6)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_progress_within_an_epoch_says_what_is_done_and_how_long_the_rest_takes():
    clock, told = Clock(), []
    progress = _Told(told.append, [10, 10], clock)
    progress.start_epoch(1)
    for _ in range(5):
        clock.now += 6.0
        progress.step(2)
    progress.start_epoch(2)
    clock.now += 6.0
    progress.step(2)
    # After 12, 24 and 36 s: 4, 8 and 12 of 20 rows are done, 3 s each.
    assert told == [
        StepProgress(1, 2, 0.4, pytest.approx(48.0)),
        StepProgress(1, 2, 0.8, pytest.approx(36.0)),
        StepProgress(2, 2, 0.2, pytest.approx(24.0)),
    ]


def test_progress_within_an_epoch_is_one_line(capsys):
    print_progress(StepProgress(1, 2, 0.4, 48.2))
    assert capsys.readouterr().err == "warm start: epoch 1/2  40% done, about 48 s left\n"
