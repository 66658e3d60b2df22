import numpy as np

from rllib_gigpo.credit.anchor_metrics import (
    advantage_metrics,
    anchor_group_size_histogram,
    anchor_metrics,
)
from rllib_gigpo.credit.rules import Advantages

# Groups of rows: {0, 1, 2} with spread, {3, 4} without, and the singletons {5} and {6}.
LABELS = np.array([4, 4, 4, 9, 9, 0, 2])
RETURNS = np.array([0.0, 1.0, 0.0, 5.0, 5.0, 1.0, 2.0])


def test_metrics_by_hand():
    assert anchor_metrics(LABELS, RETURNS) == {
        "num_anchor_groups": 4.0,
        "anchor_group_size_mean": 7 / 4,
        "anchor_group_size_max": 3.0,
        "anchor_group_size_mean_per_row": (9 + 4 + 1 + 1) / 7,
        "recurring_row_share": 5 / 7,
        "anchor_group_no_spread_share": 1 / 2,
    }


def test_the_histogram_counts_groups_by_size():
    assert anchor_group_size_histogram(LABELS) == {"1": 2.0, "2": 1.0, "3": 1.0}


def test_a_batch_without_rows_or_recurring_states_has_zeros_and_no_nan():
    empty = anchor_metrics(np.zeros(0, dtype=np.int64), np.zeros(0))
    assert set(empty.values()) == {0.0}
    assert anchor_group_size_histogram(np.zeros(0, dtype=np.int64)) == {}
    alone = anchor_metrics(np.arange(3), np.zeros(3))
    assert alone["recurring_row_share"] == alone["anchor_group_no_spread_share"] == 0.0


def test_advantage_metrics_are_means_of_magnitudes():
    advantages = Advantages(
        episode=np.array([1.0, -1.0]), step=np.array([0.0, -3.0]), total=np.array([1.0, -4.0])
    )
    assert advantage_metrics(advantages) == {
        "episode_advantage_abs_mean": 1.0,
        "step_advantage_abs_mean": 1.5,
        "advantage_abs_mean": 2.5,
    }
