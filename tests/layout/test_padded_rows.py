import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import empty_micro_batch
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.models.model_adapter import ModelAdapter


def pack_rows(rows, row_ids, *, max_tokens, overhead_tokens=256):
    layout = PaddedRows(LayoutCosts(overhead=overhead_tokens), max_tokens=max_tokens)
    return layout.micro_batches(rows, row_ids)


def two_rows():
    return TokenRows.from_rows(
        [[1, 2, 3], [7]],
        [[4, 5], [8, 9, 10]],
        rollout_logp=[np.zeros(2), np.zeros(3)],
        advantages=np.zeros(5),
        minibatch_ids=np.zeros(2, dtype=np.int64),
        num_minibatches=1,
    )


def test_a_packed_pair_of_rows_is_the_one_written_by_hand():
    (packed,) = pack_rows(two_rows(), np.array([0, 1]), max_tokens=100)
    # Sorted by length: row 1 (4 tokens) first, then row 0 (5 tokens).
    assert packed.input_ids.tolist() == [[7, 8, 9, 10, 0], [1, 2, 3, 4, 5]]
    assert packed.logit_positions.tolist() == [0, 1, 2, 7, 8]
    assert packed.targets.tolist() == [8, 9, 10, 4, 5]
    assert packed.token_indices.tolist() == [2, 3, 4, 0, 1]


@pytest.mark.parametrize("max_tokens", [1, 40, 100_000])
def test_padded_rows_score_like_single_ones(
    double_model, make_rows, score, score_one_by_one, check_equal, max_tokens
):
    rows = make_rows(15)
    found = score(double_model, rows, pack_rows(rows, np.arange(15), max_tokens=max_tokens))
    check_equal(found, score_one_by_one(double_model, rows))


def test_what_stands_in_the_padding_does_not_matter(double_model, make_rows, score):
    rows = make_rows(15)
    (packed,) = pack_rows(rows, np.arange(15), max_tokens=100_000, overhead_tokens=100_000)
    lengths = np.sort(rows.row_lengths)
    is_padding = torch.arange(packed.input_ids.shape[1]) >= torch.from_numpy(lengths)[:, None]
    assert is_padding.any()
    before = score(double_model, rows, [packed])
    packed.input_ids[is_padding] = 31
    after = score(double_model, rows, [packed])
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_every_response_token_is_packed_once(make_rows):
    rows = make_rows(50, num_minibatches=3)
    chosen = np.flatnonzero(rows.minibatch_ids == 1)
    batches = pack_rows(rows, chosen, max_tokens=64)
    indices = torch.cat([batch.token_indices for batch in batches]).tolist()
    is_chosen = np.repeat(rows.minibatch_ids == 1, rows.response_lengths)
    assert sorted(indices) == np.flatnonzero(is_chosen).tolist()
    assert all(batch.input_ids.numel() <= 64 for batch in batches)


def test_no_rows_make_no_micro_batches(make_rows):
    assert pack_rows(make_rows(3), np.array([], dtype=np.int64), max_tokens=10) == []


def test_the_empty_micro_batch_gives_every_weight_a_gradient_of_zero(double_model):
    adapter, batch = ModelAdapter(double_model), empty_micro_batch()
    hidden = adapter.hidden_states(batch)
    logp, _ = adapter.response_scores(batch, hidden, chunk_tokens=4)
    for gradient in torch.autograd.grad(logp.sum(), list(double_model.parameters())):
        assert gradient.abs().max().item() == 0.0


def test_a_row_without_a_prompt_is_an_error():
    rows = TokenRows.from_rows(
        [[1], []],
        [[2], [3]],
        rollout_logp=[np.zeros(1), np.zeros(1)],
        advantages=np.zeros(2),
        minibatch_ids=np.zeros(2, dtype=np.int64),
        num_minibatches=1,
    )
    with pytest.raises(ValueError, match="Row 1 has no prompt"):
        pack_rows(rows, np.array([0, 1]), max_tokens=10)
