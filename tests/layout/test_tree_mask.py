"""Positions and masks of trees, written out, and flex_attention's mask against the dense one."""

import pytest
import torch

from rllib_gigpo.layout.tree_mask import additive_mask, block_mask, is_visible, positions

# 0 -> 1 -> 2, 0 -> 3 -> 4, and one token of padding.
ENDS = torch.tensor([[5, 3, 3, 5, 5, 6], [1, 6, 6, 5, 5, 6]])


def test_a_position_is_the_depth_in_the_tree():
    assert positions(ENDS).tolist() == [[0, 1, 2, 1, 2, 0], [0, 0, 1, 2, 3, 2]]


def test_a_token_sees_itself_and_its_ancestors():
    rows = ["100000", "110000", "111000", "100100", "100110", "000001"]
    expected = torch.tensor([[int(digit) for digit in row] for row in rows]).bool()
    assert torch.equal(is_visible(ENDS)[0], expected)


def test_the_additive_mask_is_zero_where_a_token_is_visible():
    mask = additive_mask(ENDS, torch.bfloat16)
    assert (mask.shape, mask.dtype) == ((2, 1, 6, 6), torch.bfloat16)
    assert torch.equal(mask[:, 0] == 0, is_visible(ENDS))
    assert torch.isinf(mask[:, 0][~is_visible(ENDS)]).all()


@pytest.fixture
def long_ends():
    """Return the subtree ends of 256 tokens: a trunk of 100 with three branches, and padding."""
    ends = torch.arange(1, 257)
    ends[:100] = 230
    for start, stop in ((100, 130), (130, 200), (200, 230)):
        ends[start:stop] = stop
    return ends[None]


def test_the_block_mask_says_the_same_as_the_dense_mask(long_ends):
    mask = block_mask(long_ends)
    blocks = torch.nn.attention.flex_attention.create_mask(
        mask.mask_mod, 1, None, 256, 256, device="cpu"
    )
    assert torch.equal(blocks[0, 0], is_visible(long_ends)[0])
    is_block_visible = is_visible(long_ends).unflatten(1, (2, 128)).unflatten(3, (2, 128))
    assert torch.equal(mask.to_dense()[0, 0].bool(), is_block_visible.any(2).any(-1)[0])


@torch.no_grad()
def test_flex_attention_with_the_block_mask_equals_attention_with_the_dense_one(long_ends):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 256, 16)
    flex = torch.nn.attention.flex_attention.flex_attention
    found = flex(query, key, value, block_mask=block_mask(long_ends))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=additive_mask(long_ends, torch.float32)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
