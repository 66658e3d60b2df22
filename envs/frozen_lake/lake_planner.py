"""The best action in every cell of a frozen lake, by value iteration on Gymnasium's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

DISCOUNT = 0.99
"""Below 1, so that the shortest of several safe paths to the goal is best."""

_TOLERANCE = 1e-10
_MAX_SWEEPS = 5000
_MAX_OUTCOMES = 3  # ahead, or to one of the sides

Outcome = tuple[float, int, float, bool]  # probability, next cell, reward, has ended


@lru_cache(maxsize=256)  # the episodes of a group play on the same lake
def best_actions(rows: tuple[str, ...], *, is_slippery: bool) -> tuple[int | None, ...]:
    """Return Gymnasium's number of the best action for each cell, row by row.

    The entry is None if the cell is an end, or if no action leads to the goal. Without slipping,
    the best actions follow a shortest path.
    """
    model = FrozenLakeEnv(desc=list(rows), is_slippery=is_slippery).P
    values = action_values(model)
    best = np.round(values, 9).argmax(axis=1)
    return tuple(
        int(action) if value > 0 else None
        for action, value in zip(best, values.max(axis=1), strict=True)
    )


def action_values(model: Mapping[int, Mapping[int, Sequence[Outcome]]]) -> np.ndarray:
    """Return the discounted values of all actions, (cells, 4), by value iteration.

    In Gymnasium's model an end leads to itself with reward 0, so it needs no special case.
    """
    shape = (len(model), 4, _MAX_OUTCOMES)
    probabilities, following = np.zeros(shape), np.zeros(shape, int)  # of the next cells
    rewards = np.zeros(shape[:2])
    for cell, actions in model.items():
        for action, outcomes in actions.items():
            for number, (probability, next_cell, reward, _) in enumerate(outcomes):
                rewards[cell, action] += probability * reward
                probabilities[cell, action, number] = probability
                following[cell, action, number] = next_cell
    values = rewards
    for _ in range(_MAX_SWEEPS):
        next_values = values.max(axis=1)[following]
        before, values = values, rewards + DISCOUNT * (probabilities * next_values).sum(axis=2)
        if np.abs(values - before).max() < _TOLERANCE:
            break
    return values
