"""Prefix trees score exactly like separate rows, and compute each prefix once."""

import itertools

import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import CheapestLayout, FirstLayout, LayoutCosts

FREE_MASKS = LayoutCosts(overhead=256)


def lay_out(rows, *, costs=FREE_MASKS, max_tokens=100_000, **limits):
    layout = PrefixTrees(costs, TreeLimits(**limits), max_tokens=max_tokens)
    return layout.micro_batches(rows, np.arange(rows.num_rows))


def rows_from(*pairs):
    prompts, responses = zip(*pairs, strict=True)
    return TokenRows.from_rows(
        prompts,
        responses,
        rollout_logp=[np.zeros(len(response)) for response in responses],
        advantages=np.zeros(sum(map(len, responses))),
        minibatch_ids=np.zeros(len(pairs), dtype=np.int64),
        num_minibatches=1,
    )


def test_a_tree_of_three_rows_is_the_one_written_by_hand():
    # Two answers to the prompt 1 2, one of them twice; their last tokens predict nothing.
    (batch,) = lay_out(rows_from(([1, 2], [4, 5]), ([1, 2], [3, 6]), ([1, 2], [4, 5])))
    assert batch.input_ids.tolist() == [[1, 2, 3, 4]]
    assert batch.subtree_ends.tolist() == [[4, 4, 3, 4]]
    assert batch.row_indices.tolist() == [1, 0, 2]
    assert batch.state_positions.tolist() == [1, 1, 1]
    predictions = list(zip(batch.logit_positions.tolist(), batch.targets.tolist(), strict=True))
    assert predictions == [(1, 3), (1, 4), (2, 6), (3, 5)]
    assert batch.token_indices.tolist() == [2, 3, 0, 1, 4, 5]
    assert batch.per_token(torch.tensor([10, 20, 30, 40])).tolist() == [10, 30, 20, 40, 20, 40]
    assert batch.num_tokens == 4


@pytest.mark.parametrize("num_tokens", [1, 2, 31], ids=["chains", "bushy", "apart"])
@pytest.mark.parametrize("max_tree_tokens", [1, 9, 1000])
def test_trees_score_like_single_rows(
    double_model, make_rows, score, score_one_by_one, check_equal, num_tokens, max_tree_tokens
):
    rows = make_rows(25, num_tokens=num_tokens)
    batches = lay_out(rows, max_tree_tokens=max_tree_tokens)
    check_equal(score(double_model, rows, batches), score_one_by_one(double_model, rows))


def conversation(num_turns):
    """Rows of an episode, each of which holds the one before it; the last is the longest."""
    tokens = list(range(3, 3 + 5 * num_turns))
    return rows_from(
        *((tokens[: 5 * t + 3], tokens[5 * t + 3 : 5 * t + 5]) for t in range(num_turns))
    )


def test_a_conversation_is_one_tree_however_long_it_is():
    rows = conversation(40)
    (batch,) = lay_out(rows, max_tree_tokens=64, max_tokens=64)
    assert batch.subtree_ends is None  # causal attention is enough
    assert batch.num_tokens == batch.input_ids.numel() == 199  # its last token predicts nothing
    assert len(batch.row_indices) == 40


def test_conversations_are_apart_from_trees_unless_one_pass_for_all_is_cheaper():
    branches = rows_from(*(([1, 2], [4, 5 + n, 6]) for n in range(4)))
    chat = conversation(9)
    rows = rows_from(
        *(
            (part.token_ids[a : a + n].tolist(), part.token_ids[a + n : b].tolist())
            for part in (branches, chat)
            for a, b, n in zip(
                part.row_offsets, part.row_offsets[1:], part.prompt_lengths, strict=False
            )
        )
    )
    for overhead, num_passes in ((1, 2), (10_000, 1)):
        costs = LayoutCosts(pair=0.1, masked_pair=0.2, overhead=overhead)
        batches = lay_out(rows, costs=costs, max_tree_tokens=30)
        assert len(batches) == num_passes
        assert sorted(torch.cat([one.row_indices for one in batches]).tolist()) == list(range(13))


def test_the_cost_of_a_conversation_grows_with_its_tokens_and_not_with_their_square():
    sizes = [sum(batch.num_tokens for batch in lay_out(conversation(n))) for n in (10, 40)]
    assert sizes == [49, 199]


def test_padding_to_a_fixed_length_changes_nothing(
    double_model, make_rows, score, score_one_by_one, check_equal
):
    rows = make_rows(12, num_tokens=2)
    batches = lay_out(rows, rounded_to=(64, 128))
    assert {batch.input_ids.shape[1] for batch in batches} <= {64, 128}
    check_equal(score(double_model, rows, batches), score_one_by_one(double_model, rows))


def test_equal_rows_prompts_and_predictions_are_computed_once(make_rows):
    rows = make_rows(40, num_tokens=2)
    (batch,) = lay_out(rows)
    offsets, lengths = rows.row_offsets, np.maximum(rows.prompt_lengths, rows.row_lengths - 1)
    tokens = [rows.token_ids[start:].tolist() for start in offsets[:-1]]
    prefixes = {
        tuple(row[: i + 1]) for row, n in zip(tokens, lengths, strict=True) for i in range(n)
    }
    assert batch.num_tokens == len(prefixes)
    predicted = {
        tuple(row[: i + 1])
        for row, first, length in zip(tokens, rows.prompt_lengths, rows.row_lengths, strict=True)
        for i in range(first, length)
    }
    assert len(batch.targets) == len(predicted)


def test_every_response_token_and_row_is_there_once(make_rows):
    rows = make_rows(50, num_tokens=3)
    batches = lay_out(rows, max_tree_tokens=30, max_tokens=90)
    indices = torch.cat([batch.token_indices for batch in batches]).tolist()
    assert sorted(indices) == list(range(len(rows.rollout_logp)))
    found = torch.cat([batch.row_indices for batch in batches]).tolist()
    assert sorted(found) == list(range(50))
    assert all(batch.input_ids.numel() <= 90 for batch in batches)
    assert all(batch.input_ids.shape[1] <= 30 for batch in batches)


@pytest.mark.parametrize("seed", range(3))
def test_the_trees_are_the_cheapest_of_all_cuts(make_rows, seed):
    rows = make_rows(8, seed=seed, num_tokens=2)
    costs = LayoutCosts(pair=0.02, masked_pair=0.03, overhead=0)
    computed = sorted(
        (rows.token_ids[start : start + length].tolist(), max(int(prompt), length - 1))
        for start, length, prompt in zip(
            rows.row_offsets[:-1], rows.row_lengths, rows.prompt_lengths, strict=True
        )
    )

    def cost(part):
        size = len({tuple(row[: i + 1]) for row, length in part for i in range(length)})
        is_chain = size == max(length for _, length in part)
        return size + (0.01 if is_chain else 0.03) * size**2

    cuts = itertools.product([False, True], repeat=7)
    bounds = ([0, *(i + 1 for i, cut in enumerate(one) if cut), 8] for one in cuts)
    cheapest = min(
        sum(cost(computed[a:b]) for a, b in itertools.pairwise(bound)) for bound in bounds
    )
    # Without a cost of passes there is no padding either.
    layout = PrefixTrees(costs, TreeLimits(), max_tokens=10**6)
    assert layout.plan(rows, np.arange(8)).cost == pytest.approx(cheapest)


def test_without_common_prefixes_padding_is_cheaper_and_with_them_trees_are(make_rows):
    costs = LayoutCosts(pair=0.01, masked_pair=0.1, overhead=16)
    padded = PaddedRows(costs, max_tokens=1000)
    layout = CheapestLayout(PrefixTrees(costs, TreeLimits(), max_tokens=1000), padded)
    for num_tokens, least, most in ((31, 0.6, 1.0), (1, 0.0, 0.2)):
        rows = make_rows(30, num_tokens=num_tokens)
        batches = layout.micro_batches(rows, np.arange(30))
        share = sum(batch.num_tokens for batch in batches) / len(rows.token_ids)
        assert least < share <= most


def test_rows_longer_than_the_window_are_padded_even_if_trees_are_demanded(make_rows):
    rows = make_rows(10, num_tokens=1)
    longest = int(rows.row_lengths.max())
    for limit, is_tree in ((longest, True), (longest - 1, False)):
        trees = PrefixTrees(FREE_MASKS, TreeLimits(max_depth=limit), max_tokens=1000)
        layout = FirstLayout(trees, PaddedRows(FREE_MASKS, max_tokens=1000))
        (batch, *_) = layout.micro_batches(rows, np.arange(10))
        assert (batch.score_indices is not None) == is_tree


def test_no_rows_make_no_micro_batches(make_rows):
    layout = PrefixTrees(FREE_MASKS, TreeLimits(max_depth=1), max_tokens=10)
    assert layout.micro_batches(make_rows(3), np.array([], dtype=np.int64)) == []


def test_a_row_without_a_prompt_is_an_error():
    with pytest.raises(ValueError, match="Row 1 has no prompt"):
        lay_out(rows_from(([1], [2]), ([], [3])))
