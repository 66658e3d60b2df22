"""Temperature, top-k and top-p against numbers computed by hand."""

import math

import pytest
import torch

from rllib_gigpo.engines import SamplingSettings
from rllib_gigpo.engines.token_distribution import entropy_of, sample_token, token_log_probs
from rllib_gigpo.errors import EngineError

# Probabilities 0.4, 0.3, 0.2, 0.1, in another order.
LOGITS = torch.tensor([0.2, 0.4, 0.1, 0.3]).log()


def probabilities(**sampling):
    return token_log_probs(LOGITS, SamplingSettings(**sampling)).exp().tolist()


def test_temperature_one_gives_the_models_own_distribution():
    assert probabilities() == pytest.approx([0.2, 0.4, 0.1, 0.3])


def test_half_the_temperature_squares_the_odds():
    # 0.04, 0.16, 0.01, 0.09, divided by their sum 0.30
    assert probabilities(temperature=0.5) == pytest.approx([4 / 30, 16 / 30, 1 / 30, 9 / 30])


def test_top_k_keeps_the_k_most_probable_and_renormalises():
    assert probabilities(top_k=2) == pytest.approx([0, 4 / 7, 0, 3 / 7])


def test_top_k_keeps_all_tokens_that_tie_with_the_kth():
    logits = torch.tensor([0.5, 0.25, 0.25]).log()
    kept = token_log_probs(logits, SamplingSettings(top_k=2)).exp().tolist()
    assert kept == pytest.approx([0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.95, [0.2, 0.4, 0.1, 0.3]),  # the last token is needed to reach 0.95
        (0.85, [2 / 9, 4 / 9, 0, 3 / 9]),
        (0.65, [0, 4 / 7, 0, 3 / 7]),
        (0.01, [0, 1, 0, 0]),
    ],
)
def test_top_p_keeps_the_smallest_head_that_reaches_p(top_p, expected):
    assert probabilities(top_p=top_p) == pytest.approx(expected, abs=1e-7)


def test_top_p_counts_what_top_k_has_left():
    # Of 0.4, 0.3, 0.2 renormalised by 0.9, the first two reach 0.7 / 0.9 = 0.78.
    assert probabilities(top_k=3, top_p=0.75) == pytest.approx([0, 4 / 7, 0, 3 / 7])


def test_greedy_choice_reports_the_models_log_prob():
    token_id, logp, _ = sample_token(
        LOGITS, SamplingSettings(temperature=0, top_k=1), generator=torch.Generator()
    )
    assert (token_id, logp) == (1, pytest.approx(math.log(0.4)))


def test_tokens_are_drawn_as_often_as_their_log_prob_says():
    generator = torch.Generator().manual_seed(0)
    drawn = [
        sample_token(LOGITS, SamplingSettings(top_k=2), generator=generator) for _ in range(2000)
    ]
    share = sum(token.token_id == 1 for token in drawn) / 2000
    assert {token.token_id for token in drawn} == {1, 3}
    assert abs(share - 4 / 7) < 4 * math.sqrt(4 / 7 * 3 / 7 / 2000)
    assert {round(token.logp, 5) for token in drawn} == {
        round(math.log(4 / 7), 5),
        round(math.log(3 / 7), 5),
    }


@pytest.mark.fault("case 16", promise="The exact engine refuses logits that are NaN.")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_nan_are_an_error(temperature):
    logits = torch.tensor([0.2, float("nan"), 0.1])
    with pytest.raises(EngineError, match="A weight of the model is probably NaN"):
        sample_token(logits, SamplingSettings(temperature=temperature), generator=torch.Generator())


def test_the_entropy_is_in_nats_and_ignores_what_cannot_be_drawn():
    # 0.4 and 0.3 of the four are left: 4/7 and 3/7.
    kept = token_log_probs(LOGITS, SamplingSettings(top_k=2))
    expected = [
        -sum(p * math.log(p) for p in (0.4, 0.3, 0.2, 0.1)),
        -(4 / 7 * math.log(4 / 7) + 3 / 7 * math.log(3 / 7)),
    ]
    both = torch.stack([token_log_probs(LOGITS, SamplingSettings()), kept])
    assert entropy_of(both).tolist() == pytest.approx(expected)
