"""Where the penalty of an invalid answer enters the credit of its step.

``"return"`` takes it from the step's reward, so that discounting carries it into the steps before;
the episode return stays the environment's own. ``"row"`` leaves all rewards alone and takes it from
this one row: from its step return before the anchor group's statistics, and from its episode
advantage after centring.
"""

from __future__ import annotations

import numpy as np

PENALTY_MODES = ("return", "row")


def check_penalty_mode(mode: str) -> None:
    """Refuse an unknown mode.

    Raises:
        ValueError: ``mode`` is neither "return" nor "row".
    """
    if mode not in PENALTY_MODES:
        raise ValueError(f"penalty_mode={mode!r} is unknown; choose one of {PENALTY_MODES}.")


def penalised_rewards(rewards: np.ndarray, penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """Rewards that step returns are made of: r - c in mode "return", r in mode "row".

    Args:
        rewards: (R,) the environment's rewards.
        penalties: (R,) c >= 0, in the environment's reward units.
        mode: "return" or "row".

    Returns:
        (R,) float64, a new array.
    """
    check_penalty_mode(mode)
    rewards = np.array(rewards, dtype=np.float64)
    return rewards - penalties if mode == "return" else rewards


def row_penalties(penalties: np.ndarray, *, mode: str) -> np.ndarray:
    """What an estimator takes from each row: c in mode "row", 0 in mode "return".

    Args:
        penalties: (R,) c >= 0.
        mode: "return" or "row".

    Returns:
        (R,) float64, a new array.
    """
    check_penalty_mode(mode)
    penalties = np.array(penalties, dtype=np.float64)
    return penalties if mode == "row" else np.zeros_like(penalties)
