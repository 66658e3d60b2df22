import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.batch.minibatches import assign_minibatches


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    num_minibatches=st.integers(1, 8),
    seed=st.integers(0, 100),
)
def test_minibatches_hold_whole_trajectories_none_is_empty_and_loads_are_close(
    lengths, num_minibatches, seed
):
    num_minibatches = min(num_minibatches, len(lengths))
    ids = np.repeat(np.arange(len(lengths)) * 3 - 5, lengths)
    found = assign_minibatches(
        ids, num_minibatches=num_minibatches, rng=np.random.default_rng(seed)
    )
    for trajectory in np.unique(ids):
        assert len(set(found[ids == trajectory].tolist())) == 1
    loads = np.bincount(found, minlength=num_minibatches)
    assert loads.min() > 0
    assert loads.max() - loads.min() <= max(lengths)


def test_the_order_of_rows_does_not_matter():
    ids = np.repeat(np.arange(20), 3)
    order = np.random.default_rng(1).permutation(60)
    expected = assign_minibatches(ids, num_minibatches=4, rng=np.random.default_rng(7))
    found = assign_minibatches(ids[order], num_minibatches=4, rng=np.random.default_rng(7))
    assert np.array_equal(found, expected[order])


def test_another_seed_shuffles_otherwise():
    ids = np.arange(32)
    first, second = (
        assign_minibatches(ids, num_minibatches=4, rng=np.random.default_rng(seed))
        for seed in (0, 1)
    )
    assert not np.array_equal(first, second)
    assert np.bincount(first).tolist() == np.bincount(second).tolist() == [8, 8, 8, 8]


def test_weights_are_balanced_in_the_place_of_rows():
    # One trajectory of one row weighs as much as three others.
    found = assign_minibatches(
        np.arange(4),
        num_minibatches=2,
        rng=np.random.default_rng(0),
        weights=np.array([3.0, 1.0, 1.0, 1.0]),
    )
    assert found[1] == found[2] == found[3] != found[0]


def test_rows_without_weight_still_leave_no_minibatch_empty():
    found = assign_minibatches(
        np.arange(4), num_minibatches=4, rng=np.random.default_rng(0), weights=np.zeros(4)
    )
    assert sorted(found.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("num_minibatches", [0, 3])
def test_more_minibatches_than_trajectories_are_refused(num_minibatches):
    with pytest.raises(ValueError, match=f"num_minibatches={num_minibatches} does not fit 2"):
        assign_minibatches(
            np.array([0, 0, 1]), num_minibatches=num_minibatches, rng=np.random.default_rng(0)
        )


def test_weights_of_another_length_are_refused():
    with pytest.raises(ValueError, match="one entry per row"):
        assign_minibatches(
            np.arange(3),
            num_minibatches=1,
            rng=np.random.default_rng(0),
            weights=np.ones(2),
        )
