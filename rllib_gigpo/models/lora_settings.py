"""The settings of LoRA; without torch, so a config can be checked without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rllib_gigpo.options.records import Options, require

ADAPTER_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The adapter ranks that vLLM 0.32 has slots for."""


@dataclass(frozen=True, slots=True)
class LoraSettings(Options):
    """The size and place of the adapters.

    Attributes:
        rank: Rank r of A (r, in) and B (out, r), at least 1.
        alpha: The adapter's output is scaled by alpha / rank; at least 1.
        target_modules: A list of names, or ends of names, each of which must match a linear layer;
            "all-linear" for all but the output embedding; or a regular expression for whole names.
            Embeddings cannot have an adapter.
        sync: How the engine gets new weights. "merged": W + (alpha / rank)·B·A instead of W, for
            any engine, at no extra cost in generation. "adapter": only A and B, which vLLM adds to
            its activations; less to send for large models.
    """

    rank: int = 64
    alpha: int = 64
    target_modules: str | Sequence[str] = "all-linear"
    sync: Literal["merged", "adapter"] = "merged"

    def __post_init__(self) -> None:
        """Check the ranges of the numbers and the form of the targets."""
        require(self, rank=">= 1", alpha=">= 1")
        if not _are_names(self.target_modules):
            raise ValueError(
                f"target_modules={self.target_modules!r} must be 'all-linear' or a list of layer"
                " names, such as ['q_proj', 'v_proj']"
            )
        if self.is_hot and self.rank > ADAPTER_RANKS[-1]:
            raise ValueError(
                f"rank={self.rank} is too large for sync='adapter', because vLLM allows at most"
                f" {ADAPTER_RANKS[-1]}; use sync='merged'"
            )

    @property
    def is_hot(self) -> bool:
        """Whether the engine receives only the adapter."""
        return self.sync == "adapter"


def _are_names(targets: Any) -> bool:
    if isinstance(targets, str):
        return targets != ""
    is_list = isinstance(targets, Sequence) and len(targets) > 0
    return is_list and all(isinstance(name, str) and name for name in targets)
