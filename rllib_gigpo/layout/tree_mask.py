"""Positions and attention masks of trees, from the ends of their subtrees."""

from __future__ import annotations

from typing import Any

import torch


def positions(subtree_ends: torch.Tensor) -> torch.Tensor:
    """Return the position of each token, its number of ancestors.

    A token at q has q tokens before it, and those whose subtree has ended are not its ancestors.

    Args:
        subtree_ends: (B, L) int64, see `MicroBatch`.

    Returns:
        (B, L) int64.
    """
    places = torch.arange(subtree_ends.shape[1], device=subtree_ends.device)
    places = places.expand_as(subtree_ends).contiguous()
    return places - torch.searchsorted(subtree_ends.sort(dim=1).values, places, right=True)


def is_visible(subtree_ends: torch.Tensor) -> torch.Tensor:
    """Return which tokens see which: q sees k iff ``k <= q < subtree_ends[k]``.

    Args:
        subtree_ends: (B, L) int64.

    Returns:
        (B, L, L) bool, by sequence, q and k.
    """
    places = torch.arange(subtree_ends.shape[1], device=subtree_ends.device)
    return (places[None, None, :] <= places[None, :, None]) & (
        places[None, :, None] < subtree_ends[:, None, :]
    )


def additive_mask(subtree_ends: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the mask that attention adds to its scores: 0 where q sees k, else -inf.

    A boolean mask would become such a tensor again in each layer, and stay there for the backward
    pass.

    Args:
        subtree_ends: (B, L) int64.
        dtype: The type of the queries.

    Returns:
        (B, 1, L, L).
    """
    visible = is_visible(subtree_ends)[:, None]
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))


def block_mask(subtree_ends: torch.Tensor) -> Any:
    """Return the mask for ``flex_attention``, which skips blocks in which nothing is visible.

    Args:
        subtree_ends: (B, L) int64.

    Returns:
        A BlockMask.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    def sees(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (key <= query) & (query < subtree_ends[batch, key])

    num_trees, length = subtree_ends.shape
    return create_block_mask(sees, num_trees, None, length, length, device=str(subtree_ends.device))
