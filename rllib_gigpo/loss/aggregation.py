"""How token losses become one number: weights of tokens, and one global divisor.

A mini-batch's loss is ``Σ_s v_s·l_s / D``. The weights v belong to the tokens and the divisor D to
the whole mini-batch, over all Learners, so that micro-batches and ranks only ever add up sums.
"""

import numpy as np

AGGREGATIONS = ("token_mean", "seq_mean_token_mean", "seq_mean_token_sum", "seq_sum_norm")


def token_loss_weights(
    aggregation: str, row_weights: np.ndarray, response_lengths: np.ndarray
) -> np.ndarray:
    """Weigh each response token for an aggregation.

    With w_r the weight of row r and n_r its number of response tokens, v is ``w_r`` for token_mean,
    seq_mean_token_sum and seq_sum_norm, and ``w_r / n_r`` for seq_mean_token_mean.

    Args:
        aggregation: One of `AGGREGATIONS`.
        row_weights: (R,) float; 0 for a row that only pads.
        response_lengths: (R,) int; a row without response tokens adds none.

    Returns:
        (S,) float32 over the response tokens, row after row.

    Raises:
        ValueError: If ``aggregation`` is unknown.
    """
    _check(aggregation)
    weights = np.asarray(row_weights, dtype=np.float64)
    if aggregation == "seq_mean_token_mean":
        weights = weights / np.maximum(response_lengths, 1)
    return np.repeat(weights, response_lengths).astype(np.float32)


def loss_divisor(
    aggregation: str, *, token_count: float, row_count: float, constant: float | None = None
) -> float:
    """Return the one number that a mini-batch's summed loss is divided by.

    token_mean: Σ_r w_r·n_r. seq_mean_token_mean and seq_mean_token_sum: Σ_r w_r. seq_sum_norm:
    Σ_r w_r times a constant number of tokens (Dr. GRPO: a token weighs the same in every row).

    Args:
        aggregation: One of `AGGREGATIONS`.
        token_count: Σ_r w_r·n_r over the mini-batch of all Learners.
        row_count: Σ_r w_r over the mini-batch of all Learners.
        constant: Tokens, for seq_sum_norm only.

    Returns:
        The divisor; 0 for a mini-batch in which nothing counts.

    Raises:
        ValueError: If ``aggregation`` is unknown, or seq_sum_norm has no positive ``constant``.
    """
    _check(aggregation)
    if aggregation == "token_mean":
        return float(token_count)
    if aggregation != "seq_sum_norm":
        return float(row_count)
    if constant is None or constant <= 0:
        raise ValueError(
            f"seq_sum_norm divides by a constant > 0, got {constant}; set it to the longest "
            "response, in tokens."
        )
    return float(row_count) * constant


def _check(aggregation: str) -> None:
    if aggregation not in AGGREGATIONS:
        raise ValueError(
            f"aggregation={aggregation!r} is unknown; use one of {', '.join(AGGREGATIONS)}."
        )
