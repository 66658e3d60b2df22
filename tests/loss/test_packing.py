import itertools

import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.loss.log_probs import response_log_probs
from rllib_gigpo.loss.packing import empty_micro_batch, pack_rows, plan_micro_batches


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


def score(model, rows, micro_batches):
    """Return the log-probs of all response tokens, in row order, and gradients of a sum of them."""
    logp = torch.zeros(len(rows.rollout_logp), dtype=torch.float64)
    for batch in micro_batches:
        hidden = model.model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
        part, _ = response_log_probs(
            hidden.flatten(0, 1)[batch.logit_positions],
            batch.targets,
            lambda h: model.lm_head(h).double(),
            chunk_tokens=7,
        )
        logp = logp.index_put((batch.token_indices,), part.double())
    gradients = torch.autograd.grad(logp.cos().sum(), list(model.parameters()))
    return logp.detach(), torch.cat([gradient.flatten() for gradient in gradients])


def score_one_by_one(model, rows):
    """Score each row alone, with all logits at once and no chunks: the slow reference."""
    logps, offsets = [], rows.row_offsets
    for row in range(rows.num_rows):
        tokens = torch.from_numpy(rows.token_ids[offsets[row] : offsets[row + 1]]).long()
        logits = model(input_ids=tokens[None], use_cache=False).logits[0].float()
        all_logp = logits.log_softmax(-1)
        start = int(rows.prompt_lengths[row])
        logps += [all_logp[t - 1, tokens[t]] for t in range(start, len(tokens))]
    logp = torch.stack(logps).double()
    gradients = torch.autograd.grad(logp.cos().sum(), list(model.parameters()))
    return logp.detach(), torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize("max_tokens", [1, 40, 100_000])
def test_packed_equals_unpacked(double_model, make_rows, max_tokens):
    rows = make_rows(15)
    logp, gradient = score(
        double_model, rows, pack_rows(rows, np.arange(15), max_tokens=max_tokens)
    )
    expected_logp, expected_gradient = score_one_by_one(double_model, rows)
    torch.testing.assert_close(logp, expected_logp, rtol=0, atol=1e-6)
    bound = 1e-6 * expected_gradient.abs().max().item()
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=bound)


def test_what_stands_in_the_padding_does_not_matter(double_model, make_rows):
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


def test_a_row_longer_than_the_budget_stands_alone():
    plan = plan_micro_batches(np.array([3, 50, 4]), max_tokens=10, overhead_tokens=0)
    assert [part.tolist() for part in plan] == [[0], [2], [1]]


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_the_cheapest_of_all_splits(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, 9)
    plan = plan_micro_batches(lengths, max_tokens=70, overhead_tokens=11)

    def cost(parts):
        sizes = [len(part) * max(part) for part in parts]
        is_allowed = all(
            size <= 70 or len(part) == 1 for size, part in zip(sizes, parts, strict=True)
        )
        return sum(sizes) + 11 * len(parts) if is_allowed else float("inf")

    ordered = sorted(lengths.tolist())
    splits = []
    for cuts in itertools.product([False, True], repeat=8):
        bounds = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), 9]
        splits.append([ordered[a:b] for a, b in itertools.pairwise(bounds)])
    assert cost([lengths[part].tolist() for part in plan]) == min(map(cost, splits))


def test_no_rows_make_no_micro_batches(make_rows):
    assert pack_rows(make_rows(3), np.array([], dtype=np.int64), max_tokens=10) == []


def test_the_empty_micro_batch_gives_every_weight_a_gradient_of_zero(double_model):
    batch = empty_micro_batch()
    hidden = double_model.model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    logp, _ = response_log_probs(
        hidden.flatten(0, 1)[batch.logit_positions],
        batch.targets,
        double_model.lm_head,
        chunk_tokens=4,
    )
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


def test_a_budget_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="max_tokens=0"):
        plan_micro_batches(np.array([1]), max_tokens=0, overhead_tokens=0)
