"""Rows are shared out by tokens, or by whole groups and the tokens of their trees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.shares import share_ids, split_rows

NUM_MINIBATCHES = 3
LENGTHS = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 10), st.integers(0, NUM_MINIBATCHES - 1)),
    max_size=25,
)


def make_rows(lengths, minibatch_ids, *, group_ids=None, prompts=None):
    """Make rows with their own tokens, unless ``prompts`` are given."""
    prompts = prompts or [
        [1000 * r + i for i in range(prompt)] for r, (prompt, _) in enumerate(lengths)
    ]
    return TokenRows.from_rows(
        prompts,
        [[1000 * r + 500 + i for i in range(size)] for r, (_, size) in enumerate(lengths)],
        rollout_logp=[np.zeros(size) for _, size in lengths],
        advantages=np.zeros(sum(size for _, size in lengths)),
        minibatch_ids=np.array(minibatch_ids, dtype=np.int64),
        num_minibatches=NUM_MINIBATCHES,
        group_ids=group_ids,
    )


@given(LENGTHS, st.integers(1, 5))
def test_shares_hold_every_row_once_and_are_balanced_inside_each_minibatch(lengths, num_shares):
    rows = make_rows([pair[:2] for pair in lengths], [minibatch for *_, minibatch in lengths])
    shares = split_rows(rows, num_shares)
    assert len(shares) == num_shares
    starts = np.concatenate([share.token_ids[share.row_offsets[:-1]] for share in shares])
    assert sorted(starts) == sorted(rows.token_ids[rows.row_offsets[:-1]])
    for minibatch in range(NUM_MINIBATCHES):
        loads = [int(s.row_lengths[s.minibatch_ids == minibatch].sum()) for s in shares]
        longest = rows.row_lengths[rows.minibatch_ids == minibatch].max(initial=0)
        assert max(loads) - min(loads) <= longest
        counts = {float(share.minibatch_token_counts[minibatch]) for share in shares}
        assert counts == {rows.minibatch_token_counts[minibatch]}


def test_long_rows_are_dealt_out_first_so_that_short_ones_can_make_up_for_them():
    shares = split_rows(make_rows([(1, 1)] * 10 + [(10, 10)], [0] * 11), 2)
    assert [int(share.row_lengths.sum()) for share in shares] == [20, 20]


def test_a_minibatch_is_balanced_even_where_another_one_could_not_be():
    shares = split_rows(make_rows([(90, 10), (1, 1), (1, 1)], [0, 1, 1]), 2)
    assert [int((share.minibatch_ids == 1).sum()) for share in shares] == [1, 1]


def test_the_odd_row_of_each_minibatch_does_not_always_go_to_the_same_share():
    rows = make_rows([(5, 5)] * 3, [0, 1, 2])
    assert [share.num_rows for share in split_rows(rows, 3)] == [1, 1, 1]


def test_shares_without_rows_are_whole_token_rows():
    shares = split_rows(make_rows([(3, 2)], [1]), 2)
    assert sorted(share.num_rows for share in shares) == [0, 1]
    empty = min(shares, key=lambda share: share.num_rows)
    assert empty.minibatch_token_counts.tolist() == [0.0, 2.0, 0.0]
    assert empty.token_ids.dtype == np.int32


@given(LENGTHS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_with_groups_too_every_row_has_one_share(lengths, num_shares, random):
    groups = np.array([random.randrange(4) for _ in lengths], dtype=np.int64)
    pairs, minibatches = [pair[:2] for pair in lengths], [minibatch for *_, minibatch in lengths]
    ids = share_ids(make_rows(pairs, minibatches, group_ids=groups), num_shares)
    assert ids.shape == (len(lengths),)
    assert ((ids >= 0) & (ids < num_shares)).all()


def test_groups_of_equal_size_stay_whole():
    groups = np.arange(40) % 4
    ids = share_ids(make_rows([(5, 2)] * 40, [0] * 40, group_ids=groups), 2)
    assert [len(set(ids[groups == group])) for group in range(4)] == [1] * 4
    assert np.bincount(ids).tolist() == [20, 20]


def test_shared_prefixes_count_once_in_the_balance():
    # Group 0: ten rows with one prompt of 50 tokens, 50 + 10 tokens; groups 1 and 2: 30 each.
    lengths = [(50, 1)] * 10 + [(29, 1)] * 2
    prompts = [list(range(50))] * 10 + [[100 * k + i for i in range(29)] for k in (1, 2)]
    groups = np.array([0] * 10 + [1, 2])
    ids = share_ids(make_rows(lengths, [0] * 12, group_ids=groups, prompts=prompts), 2)
    assert len(set(ids[:10])) == 1
    assert ids[10] == ids[11] != ids[0]


def test_a_group_that_is_too_large_is_cut_where_its_rows_share_least():
    # Two states, whose prompts share one token only; the cut keeps each whole.
    prompts = [[1, *range(10, 40)]] * 6 + [[1, *range(50, 80)]] * 6
    order = np.random.default_rng(0).permutation(12)
    rows = make_rows(
        [(31, 1)] * 12,
        [0] * 12,
        group_ids=np.zeros(12, dtype=np.int64),
        prompts=[prompts[row] for row in order],
    )
    ids = share_ids(rows, 2)
    is_first = order < 6
    assert len(set(ids[is_first])) == len(set(ids[~is_first])) == 1
    assert set(ids) == {0, 1}


def test_a_long_prefix_is_computed_twice_if_that_halves_the_rest():
    # 500 common tokens and 50 answers of 11 tokens: 1,050 tokens, or twice 775.
    lengths, groups = [(500, 11)] * 50, np.zeros(50, dtype=np.int64)
    rows = make_rows(lengths, [0] * 50, group_ids=groups, prompts=[list(range(500))] * 50)
    assert np.bincount(share_ids(rows, 2)).tolist() == [25, 25]


def test_equal_rows_stay_together_because_apart_they_would_cost_twice():
    rows = TokenRows.from_rows(
        [[1, 2, 3]] * 6,
        [[4]] * 6,
        rollout_logp=[np.zeros(1)] * 6,
        advantages=np.zeros(6),
        minibatch_ids=np.zeros(6, dtype=np.int64),
        num_minibatches=1,
        group_ids=np.zeros(6),
    )
    assert len(set(share_ids(rows, 2))) == 1


def test_fewer_than_one_share_is_refused():
    with pytest.raises(ValueError, match="num_shares=0"):
        split_rows(make_rows([(1, 1)], [0]), 0)
