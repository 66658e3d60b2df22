import numpy as np
import pytest

from rllib_gigpo.loss.aggregation import loss_divisor, token_loss_weights

# Two rows of 1 and 3 tokens with losses 4 and 1, 2, 3, and a padding row of 2 tokens.
TOKEN_LOSSES = np.array([4.0, 1.0, 2.0, 3.0, 100.0, 100.0])
LENGTHS = np.array([1, 3, 2])
WEIGHTS = np.array([1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token_mean", 10 / 4),
        ("seq_mean_token_mean", (4 + 2) / 2),
        ("seq_mean_token_sum", (4 + 6) / 2),
        ("seq_sum_norm", (4 + 6) / (2 * 8)),
    ],
)
def test_each_aggregation_gives_the_mean_worked_by_hand(aggregation, expected):
    weights = token_loss_weights(aggregation, WEIGHTS, LENGTHS)
    divisor = loss_divisor(aggregation, token_count=4.0, row_count=2.0, constant=8.0)
    assert (weights * TOKEN_LOSSES).sum() / divisor == pytest.approx(expected, abs=1e-6)


def test_a_row_of_weight_two_counts_like_the_row_twice():
    for aggregation in ("token_mean", "seq_mean_token_mean", "seq_mean_token_sum"):
        once = token_loss_weights(aggregation, np.array([2.0]), np.array([3])).sum()
        twice = token_loss_weights(aggregation, np.ones(2), np.array([3, 3])).sum()
        assert once == pytest.approx(twice)


def test_a_row_without_response_tokens_adds_none():
    assert token_loss_weights("seq_mean_token_mean", np.ones(2), np.array([0, 2])).tolist() == [
        0.5,
        0.5,
    ]


def test_an_unknown_aggregation_is_an_error():
    with pytest.raises(ValueError, match="'mean'"):
        loss_divisor("mean", token_count=1.0, row_count=1.0)


def test_seq_sum_norm_asks_for_its_constant():
    with pytest.raises(ValueError, match="longest response"):
        loss_divisor("seq_sum_norm", token_count=1.0, row_count=1.0)
