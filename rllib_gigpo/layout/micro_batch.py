"""The input of one forward and backward pass, whatever layout made it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch

from rllib_gigpo.media.image import Image

# transformers' names of the kernels that take a mask of any shape.
SDPA, FLEX = "sdpa", "flex_attention"


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatchImages:
    """I distinct images at K places of a micro-batch, one after the other.

    Attributes:
        images: The distinct images.
        image_ids: (K,) int64, the image at each place.
        positions: (E,) int64 indices into the B·L positions: the tokens of all places.
    """

    images: tuple[Image, ...]
    image_ids: torch.Tensor
    positions: torch.Tensor

    def to(self, device: torch.device | str) -> MicroBatchImages:
        """Return the same places on ``device``; the images stay as they are."""
        return MicroBatchImages(
            self.images, self.image_ids.to(device), self.positions.to(device, non_blocking=True)
        )


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """R rows as B sequences of up to L tokens.

    A sequence is a row, or a tree of rows that share prefixes. A token sees itself and the tokens
    before it on its path from the root. The loss gets positions and targets only.

    Attributes:
        input_ids: (B, L) int64, the tokens of each sequence, then padding.
        logit_positions: (U,) int64 indices into the B·L positions: where a token is predicted.
        targets: (U,) int64, the predicted tokens.
        token_indices: (S,) int64 indices into the response tokens of all rows, for per-token
            columns such as ``rollout_logp``.
        state_positions: (R,) int64 indices into the B·L positions: the last token of each prompt,
            where a critic reads the state.
        row_indices: (R,) int64 indices into all rows, for per-row columns.
        num_tokens: Number of tokens in the sequences, without padding.
        score_indices: (S,) int64 indices into the U predictions, one per response token; None if
            U = S, because each is predicted once.
        subtree_ends: (B, L) int64: the descendants of the token at k are those at k+1, ...,
            ``subtree_ends[k]`` - 1; None if each sequence is one row, or rows that are its
            beginnings, so that each token sees all tokens before it.
        tree_attention: The attention kernel for trees; the size of the trees depends on it.
        images: The images that the sequences show; None for text.
    """

    input_ids: torch.Tensor
    logit_positions: torch.Tensor
    targets: torch.Tensor
    token_indices: torch.Tensor
    state_positions: torch.Tensor
    row_indices: torch.Tensor
    num_tokens: int = 0
    score_indices: torch.Tensor | None = None
    subtree_ends: torch.Tensor | None = None
    tree_attention: str = SDPA
    images: MicroBatchImages | None = None

    def to(self, device: torch.device | str) -> MicroBatch:
        """Return the same micro-batch on ``device``."""

        def moved(value: Any) -> Any:
            if isinstance(value, MicroBatchImages):
                return value.to(device)
            is_tensor = isinstance(value, torch.Tensor)
            return value.to(device, non_blocking=True) if is_tensor else value

        return MicroBatch(*(moved(getattr(self, field.name)) for field in fields(self)))

    def per_token(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the score of each response token, (S,), from those of the predictions, (U,)."""
        return scores if self.score_indices is None else scores[self.score_indices]


def empty_micro_batch() -> MicroBatch:
    """Return one token without a response, so a rank without rows can join the backward pass."""
    none = torch.zeros(0, dtype=torch.int64)
    return MicroBatch(torch.zeros(1, 1, dtype=torch.int64), none, none, none, none, none)
