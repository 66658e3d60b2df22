import numpy as np
import pytest

from rllib_gigpo.loss.aggregation import (
    AGGREGATIONS,
    SeqMeanTokenMean,
    SeqMeanTokenSum,
    SeqSumNorm,
    TokenMean,
)

# Two rows of 1 and 3 tokens with losses 4 and 1, 2, 3, and a padding row of 2 tokens.
TOKEN_LOSSES = np.array([4.0, 1.0, 2.0, 3.0, 100.0, 100.0])
LENGTHS = np.array([1, 3, 2])
WEIGHTS = np.array([1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (TokenMean(), 10 / 4),
        (SeqMeanTokenMean(), (4 + 2) / 2),
        (SeqMeanTokenSum(), (4 + 6) / 2),
        (SeqSumNorm(constant=8.0), (4 + 6) / (2 * 8)),
    ],
)
def test_each_aggregation_gives_the_mean_worked_by_hand(aggregation, expected):
    weights = aggregation.token_weights(WEIGHTS, LENGTHS)
    assert weights.dtype == np.float32
    divisor = aggregation.divisor(token_count=4.0, row_count=2.0)
    assert (weights * TOKEN_LOSSES).sum() / divisor == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "aggregation", [TokenMean(), SeqMeanTokenMean(), SeqMeanTokenSum(), SeqSumNorm(constant=8.0)]
)
def test_a_row_of_weight_two_counts_like_the_row_twice(aggregation):
    once = aggregation.token_weights(np.array([2.0]), np.array([3])).sum()
    twice = aggregation.token_weights(np.ones(2), np.array([3, 3])).sum()
    assert once == pytest.approx(twice)


def test_a_row_without_response_tokens_adds_none():
    weights = SeqMeanTokenMean().token_weights(np.ones(2), np.array([0, 2]))
    assert weights.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", ["token_mean", "seq_mean_token_mean", "seq_mean_token_sum"])
def test_a_mini_batch_in_which_nothing_counts_has_a_divisor_of_zero(name):
    assert AGGREGATIONS.build(name).divisor(token_count=0.0, row_count=0.0) == 0.0


def test_an_unknown_aggregation_is_an_error():
    with pytest.raises(ValueError, match="'mean'"):
        AGGREGATIONS.build("mean")


def test_seq_sum_norm_asks_for_its_constant():
    with pytest.raises(TypeError, match="constant"):
        AGGREGATIONS.build("seq_sum_norm")
    with pytest.raises(ValueError, match="constant=0 must be above 0"):
        AGGREGATIONS.build({"name": "seq_sum_norm", "constant": 0})
