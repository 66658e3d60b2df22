import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.credit.anchors import (
    ANCHORS,
    ExactAnchors,
    exact_anchor_groups,
    next_labels,
    split_later_visits,
)

ROWS = st.lists(
    st.tuples(
        st.integers(-3, 3),
        st.one_of(st.sampled_from(["a", "b", ""]), st.integers(-2, 2), st.tuples(st.booleans())),
    ),
    max_size=30,
)


def partition(labels):
    """Return the groups of rows, whatever their labels are."""
    rows = {}
    for row, label in enumerate(labels):
        rows.setdefault(int(label), []).append(row)
    return sorted(rows.values())


@given(ROWS)
def test_rows_share_a_label_exactly_if_group_and_anchor_are_equal(rows):
    labels = exact_anchor_groups([anchor for _, anchor in rows], np.array([g for g, _ in rows]))
    expected = {}
    for row, key in enumerate(rows):
        expected.setdefault(key, []).append(row)
    assert partition(labels) == sorted(expected.values())
    assert set(labels.tolist()) == set(range(len(expected)))


def test_many_rows_of_many_groups_in_a_random_order_are_grouped_as_a_dictionary_would():
    rng = random.Random(0)
    rows = [(rng.randrange(2**40, 2**40 + 50), f"state {rng.randrange(30)}") for _ in range(5000)]
    labels = exact_anchor_groups([anchor for _, anchor in rows], np.array([g for g, _ in rows]))
    assert len(set(zip(rows, labels.tolist(), strict=True))) == len(set(rows))
    assert len(set(labels.tolist())) == len(set(rows))


class Clumsy:
    """A state with the same hash as all others."""

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return self.value == other.value


def test_anchors_with_equal_hashes_that_differ_are_kept_apart():
    labels = exact_anchor_groups([Clumsy(1), Clumsy(2), Clumsy(1)], np.zeros(3, dtype=np.int64))
    assert partition(labels) == [[0, 2], [1]]


def test_an_array_or_tuple_of_anchors_will_do():
    groups = np.zeros(2, dtype=np.int64)
    assert exact_anchor_groups(("x", "x"), groups).tolist() == [0, 0]
    assert exact_anchor_groups(np.array(["x", "x"], dtype=object), groups).tolist() == [0, 0]


def test_labels_can_be_written_to():
    labels = exact_anchor_groups(["x"], np.zeros(1, dtype=np.int64))
    labels[0] = 5
    assert labels.tolist() == [5]


@pytest.mark.parametrize("group_ids", [[0, 0, 1, 1], [1, 0, 1, 0]])
def test_an_anchor_that_is_not_hashable_is_refused_with_its_row(group_ids):
    with pytest.raises(TypeError, match=r"Row 2: anchor \['x'\] of type list is not hashable"):
        exact_anchor_groups(["a", "b", ["x"], "c"], np.array(group_ids))


@pytest.mark.parametrize("group_ids", [[0, 0, 1, 1], [1, 0, 1, 0]])
@pytest.mark.parametrize("anchor", [float("nan"), np.float32("nan"), ("x", (1, float("nan")))])
def test_an_anchor_with_nan_is_refused_with_its_row(anchor, group_ids):
    with pytest.raises(ValueError, match=r"Row 2: anchor .* contains NaN"):
        exact_anchor_groups(["a", "b", anchor, "c"], np.array(group_ids))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="2 anchors"):
        exact_anchor_groups(["a", "b"], np.zeros(3, dtype=np.int64))


def test_later_visits_of_one_trajectory_become_groups_of_their_own():
    # Trajectory 0 visits "a" at steps 0, 2 and 3; trajectory 1 at step 5.
    labels = np.array([0, 0, 0, 0, 1])
    trajectories, steps = np.array([0, 0, 1, 0, 0]), np.array([3, 0, 5, 2, 1])
    assert partition(split_later_visits(labels, trajectories, steps)) == [[0], [1, 2], [3], [4]]
    assert labels.tolist() == [0, 0, 0, 0, 1]


def test_matches_keep_first_visits_only_on_request():
    arguments = (["a", "b", "a"], np.zeros(3), np.zeros(3), np.arange(3))
    assert partition(ExactAnchors()(*arguments)) == [[0, 2], [1]]
    assert partition(ExactAnchors(within_trajectory=False)(*arguments)) == [[0], [1], [2]]


def test_a_context_compares_the_states_before_too():
    # Two trajectories: a b c and x b c; a third begins in c.
    anchors = ["a", "b", "c", "x", "b", "c", "c"]
    trajectories, steps = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 2, 0])

    def groups(context):
        match = ExactAnchors(context=context)
        return partition(match(anchors, np.zeros(7, dtype=np.int64), trajectories, steps))

    assert groups(0) == [[0], [1, 4], [2, 5, 6], [3]]
    assert groups(1) == [[0], [1], [2, 5], [3], [4], [6]]
    assert groups(2) == [[0], [1], [2], [3], [4], [5], [6]]


def test_a_context_longer_than_an_episode_compares_all_of_it():
    anchors, trajectories = ["a", "b", "a", "b"], np.array([0, 0, 1, 1])
    labels = ExactAnchors(context=9)(anchors, np.zeros(4), trajectories, np.array([0, 1, 0, 1]))
    assert partition(labels) == [[0, 2], [1, 3]]


@given(st.data())
def test_a_context_agrees_with_comparing_tuples_of_states(data):
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 1)), max_size=20
        )
    )
    context = data.draw(st.integers(1, 4))
    seen, keys = {}, []
    for anchor, trajectory, group in rows:
        past = seen.setdefault((group, trajectory), [])
        past.append(anchor)
        keys.append((group, tuple(past[-context - 1 :]), min(len(past), context + 1)))
    steps, counts = [], {}
    for _, trajectory, group in rows:
        counts[group, trajectory] = counts.get((group, trajectory), -1) + 1
        steps.append(counts[group, trajectory])
    order = data.draw(st.permutations(range(len(rows))))
    columns = [
        [rows[i][0] for i in order],
        np.array([rows[i][2] for i in order], dtype=np.int64),
        np.array([10 * rows[i][2] + rows[i][1] for i in order], dtype=np.int64),
        np.array([steps[i] for i in order], dtype=np.int64),
    ]
    labels = ExactAnchors(context=context)(*columns)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys[i] for i in order))}
    expected = np.array([numbers[keys[i]] for i in order], dtype=np.int64)
    assert partition(labels) == partition(expected)


def test_a_negative_context_is_refused():
    with pytest.raises(ValueError, match="context"):
        ANCHORS.build({"name": "similar", "context": -1})


def test_equal_numbers_of_different_types_are_one_state():
    labels = exact_anchor_groups([1, 1.0, True, "1"], np.zeros(4, dtype=np.int64))
    assert partition(labels) == [[0, 1, 2], [3]]


def test_an_unknown_way_to_match_anchors_is_refused():
    with pytest.raises(ValueError, match="anchor='fuzzy'"):
        ANCHORS.build("fuzzy")


def test_the_next_label_of_a_step_is_that_of_its_episodes_next_step_in_any_order_of_rows():
    labels, trajectories, steps = np.array([[5, 0, 0], [7, 0, 1], [5, 0, 2], [7, 1, 0]]).T
    expected = np.array([7, 5, -1, -1])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found = next_labels(labels[order], trajectories[order], steps[order])
        np.testing.assert_array_equal(found, expected[order])


def test_no_rows_have_no_next_labels():
    empty = np.zeros(0, dtype=np.int64)
    assert next_labels(empty, empty, empty).shape == (0,)
