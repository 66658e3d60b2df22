"""Idefics3 (arXiv 2408.12637) and SmolVLM (arXiv 2504.05299): square tiles, pixel shuffle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rllib_gigpo.media.image import Image
from rllib_gigpo.models.vision.vision_family import Features, Inputs, VisionFamily

_FRAME, _WHOLE = "<fake_token_around_image>", "<global-img>"


class Idefics3Family(VisionFamily):
    """Images as one or more square tiles, each of which has the same number of features.

    A large image is split into rows and columns of tiles, followed by the whole image in small.
    """

    @property
    def _tile_features(self) -> int:
        vision = self._config["vision_config"]
        side = vision["image_size"] // vision["patch_size"] // self._config["scale_factor"]
        return side * side

    def _process(self, image: Image) -> Inputs:
        found = self._processor(
            images=[[image.pixels]],
            input_data_format="channels_last",  # else a height of 3 is taken for the channels
            return_row_col_info=True,
            return_tensors="pt",
        )
        return {
            "pixel_values": found["pixel_values"][0],
            "pixel_attention_mask": found["pixel_attention_mask"][0],
            "grid": torch.tensor([found["rows"][0][0], found["cols"][0][0]]),
        }

    def _expanded(self, inputs: Inputs) -> list[int]:
        rows, columns = inputs["grid"].tolist()
        features = self.token * self._tile_features
        whole = f"{_FRAME}{_WHOLE}{features}{_FRAME}"
        tiles = "".join(
            f"{_FRAME}<row_{row + 1}_col_{column + 1}>{features}" + "\n" * (column + 1 == columns)
            for row in range(rows)
            for column in range(columns)
        )
        text = f"{tiles}\n{whole}" if tiles else whole
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def joined(self, inputs: Sequence[Inputs]) -> Inputs:
        """Return the tiles of all images, (T, 3, S, S), and their masks."""
        names = ("pixel_values", "pixel_attention_mask")
        return {name: torch.cat([one[name] for one in inputs]) for name in names}

    def num_features(self, inputs: Inputs) -> int:
        """Return the features of all tiles of an image."""
        return len(inputs["pixel_values"]) * self._tile_features

    def features(self, trunk: Any, inputs: Inputs) -> Features:
        """Run the vision transformer and the connector; see the base class."""
        output = trunk.get_image_features(
            inputs["pixel_values"][None], inputs["pixel_attention_mask"][None], return_dict=True
        )
        return Features(output.pooler_output.flatten(0, 1))

    def engine_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Add the number of tiles; see the base class."""
        names = ("pixel_values", "pixel_attention_mask")
        tiles = torch.tensor([len(inputs["pixel_values"])])
        return {**{name: inputs[name] for name in names}, "num_patches": tiles}
