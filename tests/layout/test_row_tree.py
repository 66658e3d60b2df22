"""Trees of rows against a trie of dicts."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.layout.row_tree import grow_tree, sort_rows

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12)


def tree_of(rows):
    arrays = [np.array(row) for row in rows]
    order, shared = sort_rows(arrays)
    return order, grow_tree([arrays[row] for row in order], shared)


def test_a_tree_of_three_rows_is_the_one_written_by_hand():
    order, tree = tree_of([[1, 2, 3], [1, 2], [1, 5, 6]])
    assert order.tolist() == [1, 0, 2]
    assert tree.token_ids.tolist() == [1, 2, 3, 5, 6]
    assert tree.subtree_ends.tolist() == [5, 3, 3, 5, 5]
    assert [path.tolist() for path in tree.paths] == [[0, 1], [0, 1, 2], [0, 3, 4]]


@given(ROWS)
def test_each_prefix_is_in_the_tree_once(rows):
    _, tree = tree_of(rows)
    prefixes = {tuple(row[:length]) for row in rows for length in range(1, len(row) + 1)}
    assert len(tree.token_ids) == len(prefixes)


@given(ROWS)
def test_a_path_spells_its_row_and_sees_nothing_else(rows):
    order, tree = tree_of(rows)
    for row, path in zip(order, tree.paths, strict=True):
        assert tree.token_ids[path].tolist() == rows[row]
        last = path[-1]
        seen = [k for k in range(last + 1) if last < tree.subtree_ends[k]]
        assert seen == path.tolist()


@given(ROWS)
def test_neighbours_in_the_order_share_the_most(rows):
    order, shared = sort_rows([np.array(row) for row in rows])

    def common(one, other):
        pairs = zip(one, other, strict=False)
        return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))

    ordered = [rows[row] for row in order]
    for place in range(1, len(rows)):
        most = max(common(ordered[place], before) for before in ordered[:place])
        assert shared[place] == most


def test_ids_beyond_one_byte_keep_rows_with_a_common_prefix_together():
    order, shared = sort_rows([np.array(row) for row in ([256, 1], [1, 256], [256, 2], [1, 1])])
    assert order.tolist() == [3, 1, 0, 2]
    assert shared.tolist() == [0, 1, 0, 1]
