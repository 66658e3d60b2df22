"""The two modes of penalties: subtracted from the step returns, or from the rows by the rule."""

import numpy as np
import pytest
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.connectors.credit.compute_returns import ComputeReturns
from rllib_gigpo.connectors.credit.shaping.penalize_invalid import PenalizeInvalid


@pytest.mark.parametrize(
    ("penalize_rows", "step_returns", "row_penalties"),
    [
        # The second step's 1 - 0.4 is discounted into the first; the third step is another episode.
        (False, [0.3, 0.6, 0.9], [0.0, 0.0, 0.0]),
        (True, [0.5, 1.0, 1.0], [0.0, 0.4, 0.1]),
    ],
)
def test_a_penalty_is_taken_once(penalize_rows, step_returns, row_penalties):
    batch = {
        columns.TRAJECTORY_IDS: np.array([0, 0, 1]),
        columns.STEP_IDS: np.array([0, 1, 0]),
        columns.REWARDS: np.array([0.0, 1.0, 1.0]),
        columns.PENALTIES: np.array([0.0, 0.4, 0.1]),
    }
    batch = ComputeReturns(gamma=0.5, penalize_rows=penalize_rows)(batch=batch)
    np.testing.assert_allclose(batch[columns.STEP_RETURNS], step_returns, atol=1e-15)
    np.testing.assert_array_equal(batch[columns.ROW_PENALTIES], row_penalties)
    # The episode returns and the penalties are the same in both modes.
    np.testing.assert_array_equal(batch[columns.EPISODE_RETURNS], [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(batch[columns.PENALTIES], [0.0, 0.4, 0.1])


def test_penalties_of_invalid_answers_come_on_top_of_those_before():
    episodes = [
        episode_of([step_record(), step_record(is_admissible=False)]),
        episode_of([step_record(is_format_valid=False, is_admissible=False)]),
    ]
    before = np.array([1.0, 0.0, 1.0])
    batch = {columns.PENALTIES: before}
    batch = PenalizeInvalid(format=0.5, admissible=0.2)(batch=batch, episodes=episodes)
    np.testing.assert_array_equal(batch[columns.PENALTIES], [1.0, 0.2, 1.5])
    np.testing.assert_array_equal(before, [1.0, 0.0, 1.0])
