"""`ImageStore`: the images of an EnvRunner by their hash, equal ones once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from rllib_gigpo.media.image import Image, looks_like_image
from rllib_gigpo.media.image_marks import mark_of


class ImageStore:
    """The images that texts may refer to.

    An image stays while a prompt or a record holds it, and at least until the next pass over the
    observations. Until then, equal pixels give the same object, so it also travels once.
    """

    def __init__(self) -> None:
        """Start without images."""
        self._known: WeakValueDictionary[str, Image] = WeakValueDictionary()
        self._by_array: WeakValueDictionary[int, Image] = WeakValueDictionary()
        self._of_pass: dict[str, Image] = {}

    def __reduce__(self) -> tuple[type[ImageStore], tuple[()]]:
        """Let checkpoints hold connectors with a store, but not its images."""
        return ImageStore, ()

    def __len__(self) -> int:
        """Return the number of images of the pass."""
        return len(self._of_pass)

    def start_pass(self) -> None:
        """Let go of the images of the last pass, unless prompts or records hold them."""
        self._of_pass = {}

    def mark(self, pixels: np.ndarray) -> str:
        """Keep an image and return the mark that stands for it in texts.

        Args:
            pixels: (H, W, 3) uint8.

        Raises:
            EnvContractError: They are not an image.
        """
        return mark_of(self._kept(pixels))

    def kept(self, observation: Any) -> Any:
        """Return an observation whose images are the kept ones.

        Args:
            observation: An image, or a dict, list or tuple with some; others are returned as given.

        Raises:
            EnvContractError: An array with three axes is not an image.
        """
        if looks_like_image(observation):
            return self._kept(observation).pixels
        if isinstance(observation, Mapping):
            return {name: self.kept(value) for name, value in observation.items()}
        if type(observation) in (list, tuple):
            return type(observation)(map(self.kept, observation))
        return observation

    def _kept(self, pixels: np.ndarray) -> Image:
        image = self._by_array.get(id(pixels))
        if image is None or image.pixels is not pixels:
            image = Image.of(pixels)
            image = self._known.setdefault(image.key, image)
            self._by_array[id(image.pixels)] = image
        self._of_pass[image.key] = image
        return image

    def get(self, key: str) -> Image | None:
        """Return the image with a hash; None for a text that only looks like a mark."""
        return self._known.get(key)
