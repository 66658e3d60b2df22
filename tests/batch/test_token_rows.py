import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.batch.token_rows import TokenRows

NUM_MINIBATCHES = 3


def make_rows(lengths, minibatch_ids, weights=None, **values):
    """Make rows: row r has prompt tokens 1000 r + 0, 1, ..., response tokens 1000 r + 500, ..."""
    return TokenRows.from_rows(
        [[1000 * r + i for i in range(prompt)] for r, (prompt, _) in enumerate(lengths)],
        [[1000 * r + 500 + i for i in range(size)] for r, (_, size) in enumerate(lengths)],
        rollout_logp=[
            np.array([-r - i / 64 for i in range(size)]) for r, (_, size) in enumerate(lengths)
        ],
        advantages=np.repeat(np.arange(len(lengths)) - 0.5, [size for _, size in lengths]),
        minibatch_ids=np.array(minibatch_ids, dtype=np.int64),
        num_minibatches=NUM_MINIBATCHES,
        weights=weights,
        **values,
    )


def rows_of(token_rows):
    """Write out each row, so that rows of different batches can be compared."""
    starts, response_starts = token_rows.row_offsets, token_rows.response_offsets
    return [
        (
            tuple(token_rows.token_ids[starts[r] : starts[r + 1]].tolist()),
            int(token_rows.prompt_lengths[r]),
            tuple(token_rows.rollout_logp[response_starts[r] : response_starts[r + 1]].tolist()),
            tuple(token_rows.advantages[response_starts[r] : response_starts[r + 1]].tolist()),
            float(token_rows.weights[r]),
            int(token_rows.minibatch_ids[r]),
        )
        for r in range(token_rows.num_rows)
    ]


LENGTHS = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 10), st.integers(0, NUM_MINIBATCHES - 1)),
    max_size=25,
)


def test_rows_are_laid_out_one_after_the_other_and_counted_by_minibatch():
    rows = make_rows([(2, 1), (1, 3)], [2, 0], weights=np.array([1.0, 0.5]))
    assert rows.token_ids.tolist() == [0, 1, 500, 1000, 1500, 1501, 1502]
    assert rows.row_offsets.tolist() == [0, 3, 7]
    assert rows.response_offsets.tolist() == [0, 1, 4]
    assert rows.rollout_logp.tolist() == [0.0, -1.0, -1.015625, -1.03125]
    assert rows.advantages.tolist() == [-0.5, 0.5, 0.5, 0.5]
    assert rows.minibatch_token_counts.tolist() == [1.5, 0.0, 1.0]
    assert rows.minibatch_row_counts.tolist() == [0.5, 0.0, 1.0]
    assert rows.old_values is rows.value_targets is None
    numbers = [name for name in TokenRows.__slots__ if getattr(rows, name) is not None]
    dtypes = [getattr(rows, name).dtype.name for name in numbers]
    assert dtypes == ["int32"] * 3 + ["float32"] * 3 + ["int32"] + ["float64"] * 2


def test_what_a_critic_needs_travels_with_its_row():
    values = {"old_values": np.array([0.5, 1.5, 2.5]), "value_targets": np.array([3.0, 4.0, 5.0])}
    rows = make_rows([(1, 1), (2, 2), (3, 3)], [0, 1, 2], **values)
    part = rows.select(np.array([2, 0]))
    assert part.old_values.tolist() == [2.5, 0.5]
    assert part.value_targets.tolist() == [5.0, 3.0]
    assert part.old_values.dtype == part.value_targets.dtype == np.float32


@given(LENGTHS, st.data())
def test_selected_rows_are_those_rows_with_the_global_counts(lengths, data):
    rows = make_rows([pair[:2] for pair in lengths], [minibatch for *_, minibatch in lengths])
    numbers = st.integers(0, max(0, len(lengths) - 1))
    indices = data.draw(st.lists(numbers, max_size=10)) if lengths else []
    part = rows.select(np.array(indices, dtype=np.int64))
    everything = rows_of(rows)
    assert rows_of(part) == [everything[index] for index in indices]
    assert np.array_equal(part.minibatch_token_counts, rows.minibatch_token_counts)
    assert np.array_equal(part.minibatch_row_counts, rows.minibatch_row_counts)


def test_rows_can_be_selected_by_a_mask():
    rows = make_rows([(1, 1), (2, 2), (3, 3)], [0, 1, 2])
    assert rows_of(rows.select(np.array([True, False, True]))) == rows_of(rows)[::2]


def test_token_rows_survive_pickling():
    rows = make_rows([(2, 1), (1, 3)], [2, 0])
    assert rows_of(pickle.loads(pickle.dumps(rows))) == rows_of(rows)


def test_log_probs_that_do_not_fit_the_responses_are_refused():
    with pytest.raises(ValueError, match=r"rollout_logp has shape \(2,\)"):
        TokenRows.from_rows(
            [[1]],
            [[2, 3, 4]],
            rollout_logp=[np.zeros(2)],
            advantages=np.zeros(3),
            minibatch_ids=np.zeros(1, dtype=np.int64),
            num_minibatches=1,
        )


def test_advantages_that_do_not_fit_the_responses_are_refused():
    with pytest.raises(ValueError, match=r"advantages has shape \(1,\).*require \(3,\)"):
        TokenRows.from_rows(
            [[1]],
            [[2, 3, 4]],
            rollout_logp=[np.zeros(3)],
            advantages=np.zeros(1),
            minibatch_ids=np.zeros(1, dtype=np.int64),
            num_minibatches=1,
        )


def test_a_minibatch_id_without_a_count_is_refused():
    with pytest.raises(ValueError, match="minibatch"):
        make_rows([(1, 1)], [NUM_MINIBATCHES])
