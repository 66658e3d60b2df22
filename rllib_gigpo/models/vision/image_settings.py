"""The settings of models that read images; without torch, so a config can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings(Options):
    """How many images a prompt shows, and whether the part that sees them is trained.

    Attributes:
        max_in_prompt: Largest number of images in a prompt, at least 1. A prompt with more of them
            loses its oldest turns; an observation with more of them is an error.
        freeze_tower: Whether the vision transformer and its projection keep their weights. LoRA
            then adds no adapters there, and no gradients are computed for it.
    """

    max_in_prompt: int = 8
    freeze_tower: bool = False

    def __post_init__(self) -> None:
        """Check the range of the number."""
        require(self, max_in_prompt=">= 1")
