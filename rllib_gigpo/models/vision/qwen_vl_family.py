"""Qwen2-VL (arXiv 2409.12191), Qwen2.5-VL (arXiv 2502.13923) and Qwen3-VL: patches of any grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rllib_gigpo.media.image import Image
from rllib_gigpo.models.vision.vision_family import Features, Inputs, VisionFamily


class QwenVLFamily(VisionFamily):
    """Images as a grid of patches, of which 2x2 make one feature, with positions in time and space.

    The chat template frames the placeholder; only the token in the middle is replaced.
    """

    @property
    def _merged(self) -> int:
        return self._config["vision_config"].get("spatial_merge_size", 2) ** 2

    def _process(self, image: Image) -> Inputs:
        found = self._processor(
            images=[image.pixels], input_data_format="channels_last", return_tensors="pt"
        )
        return {name: found[name] for name in ("pixel_values", "image_grid_thw")}

    def _expanded(self, inputs: Inputs) -> list[int]:
        return [self.token_id] * self.num_features(inputs)

    def joined(self, inputs: Sequence[Inputs]) -> Inputs:
        """Return the patches of all images, (P, D), and their grids, (I, 3)."""
        names = ("pixel_values", "image_grid_thw")
        return {name: torch.cat([one[name] for one in inputs]) for name in names}

    def num_features(self, inputs: Inputs) -> int:
        """Return the number of merged patches."""
        return int(inputs["image_grid_thw"].prod()) // self._merged

    def features(self, trunk: Any, inputs: Inputs) -> Features:
        """Run the vision transformer with its merger; see the base class."""
        output = trunk.get_image_features(
            inputs["pixel_values"], inputs["image_grid_thw"], return_dict=True
        )
        return Features(torch.cat(list(output.pooler_output)))

    def position_ids(
        self, trunk: Any, is_image: torch.Tensor, inputs: Sequence[Inputs]
    ) -> torch.Tensor:
        """Return (3, B, L) int64: time, row and column, as the model's own code counts them."""
        if not inputs:
            places = torch.arange(is_image.shape[1], device=is_image.device)
            return places.expand(3, *is_image.shape)
        kinds = is_image.int()
        grids = torch.cat([one["image_grid_thw"] for one in inputs]).to(is_image.device)
        found, _ = trunk.get_rope_index(kinds.long(), kinds, image_grid_thw=grids)
        return found


class Qwen3VLFamily(QwenVLFamily):
    """Qwen3-VL, whose first layers also get features of lower layers of its vision transformer."""

    def features(self, trunk: Any, inputs: Inputs) -> Features:
        """Run the vision transformer; see the base class."""
        output = trunk.get_image_features(
            inputs["pixel_values"], inputs["image_grid_thw"], return_dict=True
        )
        layers = tuple(_whole(part) for part in output.deepstack_features)
        return Features(_whole(output.pooler_output), layers)

    def run(self, trunk: Any, inputs: dict[str, Any]) -> Any:
        """Run the language model alone, because the whole trunk would look for images again."""
        return trunk.language_model(**inputs)


def _whole(features: Any) -> torch.Tensor:
    """Return the features of all images, which some versions give image by image."""
    return features if isinstance(features, torch.Tensor) else torch.cat(list(features))
