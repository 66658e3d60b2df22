"""Chooses the trunk for a model folder; a model of text loads no code for images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rllib_gigpo.models.context import reads_images
from rllib_gigpo.models.trunk import Trunk


def trunk_maker(model_path: str | Path | None) -> Callable[[Any], Trunk]:
    """Return what builds the trunk for the model of a folder.

    Args:
        model_path: The folder with the model's files.

    Raises:
        ConfigError: The folder does not exist, or lacks the files of its image processor.
    """
    if not reads_images(model_path):
        return Trunk
    from rllib_gigpo.models.vision.families import vision_family
    from rllib_gigpo.models.vision.vision_trunk import VisionTrunk

    family = vision_family(model_path)
    assert family is not None
    return partial(VisionTrunk, family=family)
