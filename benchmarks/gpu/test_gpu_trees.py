"""Trees of rows on the GPU: flex_attention computes what separate rows do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention.flex_attention import create_mask

from rllib_gigpo.layout.micro_batch import FLEX, SDPA
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.layout.tree_mask import block_mask, is_visible
from rllib_gigpo.learner.scoring import ForwardSettings, score_all
from rllib_gigpo.learner.sharding.single import Single
from rllib_gigpo.learner.update_data import prepare_update
from rllib_gigpo.loss.aggregation import TokenMean
from rllib_gigpo.loss.objective import ObjectiveSettings, objective
from rllib_gigpo.models.layouts.layout_choice import make_layout

pytestmark = pytest.mark.gpu
MAX_TOKENS, CHUNK_TOKENS = 2048, 64


def laid_out(adapter, rows, device, *, sharing):
    layout = make_layout(adapter, sharing, max_tokens=MAX_TOKENS, device=device)
    return prepare_update(rows, TokenMean(), layout=layout, sharding=Single(), device=device)


def gradient(adapter, data, forward):
    """Return log-probs, (S,), and the gradient of the objective as one vector."""
    adapter.model.zero_grad()
    logps = torch.zeros_like(data.columns.rollout_logp)
    for micro_batch in data:
        on_device = micro_batch.to(forward.device)
        with forward.autocast():
            hidden = adapter.hidden_states(on_device)
            logp, entropy = adapter.response_scores(
                on_device, hidden, chunk_tokens=CHUNK_TOKENS, entropy_gradient=True
            )
        columns = data.columns_of(on_device)
        settings = ObjectiveSettings(entropy_coeff=0.01)
        (objective(logp, entropy, columns, settings).loss / data.divisors[0]).backward()
        logps[on_device.token_indices] = logp.detach()
    weights = [weight for weight in adapter.model.parameters() if weight.requires_grad]
    return logps, torch.cat([weight.grad.flatten() for weight in weights])


def both(adapter, rows, device, autocast_dtype=None):
    """Return (log-probs, gradient) of the trees, then of the separate rows."""
    forward = ForwardSettings(device, CHUNK_TOKENS, autocast_dtype)
    alone = laid_out(adapter, rows, device, sharing=False)
    start = score_all(adapter, alone, forward)  # so that no ratio is clipped
    results = []
    for sharing in (True, False):
        data = laid_out(adapter, rows, device, sharing=sharing)
        assert all((batch.score_indices is not None) == sharing for batch in data)
        results.append(gradient(adapter, data.with_columns(old_logp=start), forward))
    return results


def largest_difference(one, other):
    """Return the largest difference as a share of the largest number."""
    return ((one - other).abs().max() / other.abs().max()).item()


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("options", [{}, {"checkpointing": True}, {"lora_rank": 4}], ids=str)
def test_trees_have_the_log_probs_and_gradients_of_rows(
    make_adapter, rows, device, is_rehearsal, kind, options
):
    adapter = make_adapter(kind, **options)
    (logp, gradients), (expected_logp, expected) = both(adapter, rows, device)
    trees = laid_out(adapter, rows, device, sharing=True)
    assert {batch.tree_attention for batch in trees} == {SDPA if is_rehearsal else FLEX}
    assert expected.abs().max() > 1e-3
    assert (logp - expected_logp).abs().max() < 1e-4
    assert largest_difference(gradients, expected) < 1e-3


def test_trees_are_close_to_rows_under_autocast(make_adapter, rows, device):
    adapter = make_adapter("Qwen2")
    (logp, gradients), (expected_logp, expected) = both(adapter, rows, device, "bfloat16")
    assert (logp - expected_logp).abs().max() < 0.2
    assert torch.nn.functional.cosine_similarity(gradients, expected, dim=0) > 0.99


def test_padding_to_a_fixed_length_changes_no_score(make_adapter, rows, device):
    adapter = make_adapter()
    attention = FLEX if device.type == "cuda" else SDPA
    scores = []
    for lengths in ((), (512, 1024, 2048)):
        limits = TreeLimits(512, rounded_to=lengths, attention=attention)
        layout = PrefixTrees(LayoutCosts(), limits, max_tokens=MAX_TOKENS)
        data = prepare_update(rows, TokenMean(), layout=layout, sharding=Single(), device=device)
        if lengths:
            assert {batch.input_ids.shape[1] for batch in data} <= set(lengths)
        scores.append(score_all(adapter, data, ForwardSettings(device, CHUNK_TOKENS)))
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-4)


def random_ends(device, *, num_trees=2, length=200):
    """Return the ends of random subtrees, (B, L): each token extends a path or starts a branch."""
    rng = np.random.default_rng(0)
    ends = np.full((num_trees, length), length)
    for tree in ends:
        path = []
        for place in range(length):
            kept = int(rng.integers(1, len(path) + 1)) if path and rng.random() < 0.1 else len(path)
            for ended in path[kept:]:
                tree[ended] = place
            path = [*path[:kept], place]
    return torch.from_numpy(ends).to(device)


def test_the_block_mask_is_the_dense_mask(device):
    ends = random_ends(device)
    length = ends.shape[1]
    blocks = block_mask(ends)
    dense = create_mask(blocks.mask_mod, len(ends), None, length, length, device=str(device))
    assert torch.equal(dense[:, 0], is_visible(ends))
    is_seen = torch.nn.functional.max_pool2d(is_visible(ends).float(), 128, ceil_mode=True) > 0
    assert torch.equal(blocks.to_dense()[:, 0].bool(), is_seen)


def test_flex_attention_scores_as_a_dense_mask_does(make_adapter, rows, device, is_rehearsal):
    adapter = make_adapter("Qwen2")
    data = laid_out(adapter, rows, device, sharing=True)
    forward = ForwardSettings(device, CHUNK_TOKENS)
    scores = []
    # Without a GPU only the forward pass runs, not compiled.
    with torch.compiler.set_stance("force_eager" if is_rehearsal else "default"):
        for attention in (SDPA, FLEX):
            asked = [[replace(batch, tree_attention=attention) for batch in data]]
            scores.append(score_all(adapter, replace(data, micro_batches=asked), forward))
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-4)
