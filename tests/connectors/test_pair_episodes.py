"""The connector between implicit rewards and the update of the model that gave them."""

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.connectors.credit.pair_episodes import PairEpisodes


def paired(won, beta=0.5):
    batch = {
        columns.IMPLICIT_REWARDS: np.array([0.3, 0.1, -0.4]),
        columns.GROUP_IDS: np.zeros(3, dtype=np.int64),
        columns.TRAJECTORY_IDS: np.array([0, 0, 1]),
        columns.WON: np.array(won),
    }
    return PairEpisodes(beta)(batch=batch)


def test_gradients_are_by_log_probabilities_and_metrics_say_how_it_ranked():
    batch = paired([True, True, False])
    # Scores 0.2 and -0.4: sigmoid(-0.6) = 0.3543437, over two steps and one, times β.
    expected = 0.5 * 0.3543437 * np.array([-0.5, -0.5, 1.0])
    np.testing.assert_allclose(batch[columns.PAIR_GRADIENTS], expected, atol=1e-7)
    assert batch[columns.CREDIT_METRICS] == {
        "num_pairs": 1.0,
        "pair_loss": pytest.approx(0.4374879, abs=1e-6),
        "pair_accuracy": 1.0,
        "implicit_reward_of_successes": pytest.approx(0.2),
        "implicit_reward_of_failures": pytest.approx(-0.4),
    }


def test_without_failures_there_is_nothing_to_learn_and_nothing_to_report():
    batch = paired([True, True, True])
    assert not batch[columns.PAIR_GRADIENTS].any()
    assert batch[columns.CREDIT_METRICS] == {
        "num_pairs": 0.0,
        "implicit_reward_of_successes": pytest.approx(0.0),
    }
