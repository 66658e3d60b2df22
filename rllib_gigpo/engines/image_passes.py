"""Forward passes of the reference engine over prompts with images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rllib_gigpo.layout.micro_batch import MicroBatch, MicroBatchImages
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.models.causal_lm import trunk_of
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.vision_trunk import VisionTrunk


@dataclass(slots=True)
class _Cached:
    """The keys and values of a sequence, and the position of its next token."""

    past: Any
    next_position: int


class ImagePasses:
    """Passes of a model of text and images over one sequence, with a cache.

    The prompt's embeddings and positions are those of the Learner's passes.
    """

    def __init__(self, model: Any, model_path: str) -> None:
        """Run ``model``, opened from the folder ``model_path``."""
        family = vision_family(model_path)
        assert family is not None
        self._model = model
        self._trunk = VisionTrunk(trunk_of(model), family)

    def __call__(
        self, ids: list[int], images: Sequence[PlacedImage], cache: _Cached | None
    ) -> tuple[torch.Tensor, _Cached]:
        """Return the logits of the next token, (V,), and the cache with these tokens.

        Args:
            ids: The whole sequence without a cache, else its new tokens.
            images: The images of the prompt.
            cache: The result of the last call; None for a new sequence.
        """
        if cache is None:
            inputs = self._trunk.inputs(_micro_batch(ids, images))
            last = int(inputs["position_ids"].max()) if "position_ids" in inputs else len(ids) - 1
            cache = _Cached(None, last + 1)
        else:
            inputs = {
                "inputs_embeds": self._model.get_input_embeddings()(torch.tensor([ids])),
                "position_ids": torch.tensor([[cache.next_position]]),
            }
            cache.next_position += 1
        output = self._trunk.run({**inputs, "past_key_values": cache.past, "use_cache": True})
        cache.past = output.past_key_values
        logits = self._model.get_output_embeddings()(output.last_hidden_state[0, -1])
        return logits, cache


def _micro_batch(ids: list[int], images: Sequence[PlacedImage]) -> MicroBatch:
    none = torch.zeros(0, dtype=torch.int64)
    places = None
    if images:
        places = MicroBatchImages(
            images=tuple(place.image for place in images),
            image_ids=torch.arange(len(images)),
            positions=torch.from_numpy(
                np.concatenate([np.arange(place.start, place.stop) for place in images])
            ),
        )
    return MicroBatch(torch.tensor([ids]), none, none, none, none, none, images=places)
