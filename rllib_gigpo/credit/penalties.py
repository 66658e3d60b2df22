"""Where the penalty of an invalid answer enters the credit of its step.

``"return"`` takes it from the step's reward, so that discounting carries it into the steps before;
the episode return stays the environment's own. ``"row"`` leaves all rewards alone and takes it from
this one row: from its step return before the anchor group's statistics, and from its episode
advantage after centring. ``"score"`` does so too, but takes it from the row's episode return
*before* the statistics, as verl-agent does: the penalties of a group then move its mean.
"""

from __future__ import annotations

import numpy as np

PENALTY_MODES = ("return", "row", "score")
# Of a rule that compares no episode returns over a group's rows: "score" would be "row" again.
ROW_PENALTY_MODES = ("return", "row")


def check_penalty_mode(mode: str, *, modes: tuple[str, ...] = PENALTY_MODES) -> None:
    """Refuse a mode that is unknown, or unknown to a rule.

    Args:
        mode: The setting.
        modes: What the rule knows.

    Raises:
        ValueError: ``mode`` is none of ``modes``.
    """
    if mode not in PENALTY_MODES:
        raise ValueError(f"penalty_mode={mode!r} is unknown; choose one of {modes}.")
    if mode not in modes:
        raise ValueError(
            f"penalty_mode={mode!r} belongs to the rules that compare episode returns over a"
            f" group's rows (gigpo, grpo, rloo); here choose one of {modes}."
        )


def penalised_rewards(rewards: np.ndarray, penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """Rewards that step returns are made of: r - c in mode "return", else r.

    Args:
        rewards: (R,) the environment's rewards.
        penalties: (R,) c >= 0, in the environment's reward units.
        mode: One of `PENALTY_MODES`.

    Returns:
        (R,) float64, a new array.
    """
    return np.asarray(rewards, dtype=np.float64) - _where(penalties, mode, "return")


def penalised_step_returns(returns: np.ndarray, penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """Step returns that are compared: R - c in the modes "row" and "score", else R.

    Args:
        returns: (R,) step returns of `penalised_rewards`.
        penalties: (R,) c >= 0.
        mode: One of `PENALTY_MODES`.

    Returns:
        (R,) float64, a new array.
    """
    return returns - _where(penalties, mode, "row", "score")


def penalised_scores(returns: np.ndarray, penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """Episode returns that are compared, one per row: R - c in mode "score", else R.

    Args:
        returns: (R,) episode returns.
        penalties: (R,) c >= 0.
        mode: One of `PENALTY_MODES`.

    Returns:
        (R,) float64, a new array.
    """
    return returns - _where(penalties, mode, "score")


def penalised_advantages(advantages: np.ndarray, penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """Episode advantages after centring: A - c in mode "row", else A.

    Args:
        advantages: (R,) episode advantages.
        penalties: (R,) c >= 0.
        mode: One of `PENALTY_MODES`.

    Returns:
        (R,) float64, a new array.
    """
    return advantages - _where(penalties, mode, "row")


def overlong_penalties(
    response_lengths: np.ndarray, *, max_tokens: int, buffer_tokens: int, weight: float
) -> np.ndarray:
    """Penalise answers that come close to the limit: 0 up to the buffer, then linear.

    DAPO, arXiv 2503.14476, eq. 13, with the limit in the place of the longest allowed length:
    c = weight · clip((length - (max_tokens - buffer_tokens)) / buffer_tokens, 0, 1).

    Args:
        response_lengths: (R,) tokens.
        max_tokens: The limit at which the engine stops an answer.
        buffer_tokens: How many tokens before the limit the penalty begins, above 0.
        weight: The penalty at the limit, in the environment's reward units.

    Returns:
        (R,) float64 in [0, weight].
    """
    excess = np.asarray(response_lengths, dtype=np.float64) - (max_tokens - buffer_tokens)
    return weight * np.clip(excess / buffer_tokens, 0.0, 1.0)


def _where(penalties: np.ndarray, mode: str, *modes: str) -> np.ndarray:
    check_penalty_mode(mode)
    penalties = np.asarray(penalties, dtype=np.float64)
    return penalties if mode in modes else np.zeros_like(penalties)
