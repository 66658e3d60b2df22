"""`VisionFamily`: the seam between images and the families of models that read them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.media.image import Image

_CACHE_BYTES = 256 * 2**20  # of processed images, which the passes of an update repeat

Inputs = Mapping[str, torch.Tensor]


class Features(NamedTuple):
    """What a tower sees in F patches of images.

    Attributes:
        embeddings: (F, H), in place of the embeddings of the image's tokens.
        of_layers: (F, H) each, added to the hidden states after the first layers; often none.
    """

    embeddings: torch.Tensor
    of_layers: tuple[torch.Tensor, ...] = ()


class VisionFamily(ABC):
    """What a family of models does with images.

    The engine and the Learner get the same processed pixels, so they cannot differ in how they
    resize. Nothing here has weights: `features` runs the tower of the model that it is given.

    Attributes:
        token: The token of the chat template's placeholder that an image replaces.
        token_id: Its id; all tokens of an image's place with this id are features.
    """

    def __init__(self, processor: Any, tokenizer: Any, config: Mapping[str, Any]) -> None:
        """Store the parts.

        Args:
            processor: The Hugging Face image processor of the model folder.
            tokenizer: Its tokenizer.
            config: Its configuration, as in ``config.json``.
        """
        self._processor = processor
        self._tokenizer = tokenizer
        self._config = config
        self.token_id: int = int(config[self.token_id_name])
        self.token: str = tokenizer.convert_ids_to_tokens(self.token_id)
        self._processed: OrderedDict[str, Inputs] = OrderedDict()
        self._expansions: dict[tuple[int, ...], list[int]] = {}

    token_id_name: ClassVar[str] = "image_token_id"

    def __deepcopy__(self, memo: dict[int, Any]) -> VisionFamily:
        """Return itself: copies of a model share the processed images."""
        return self

    # ------------------------------------------------------------------ prompts

    def expansion(self, image: Image) -> list[int]:
        """Return the tokens that replace the placeholder token of an image.

        The engine's limit, the credit and the layout of rows count all of them.
        """
        shape = image.pixels.shape
        if shape not in self._expansions:
            self._expansions[shape] = self._expanded(self.process(image))
        return self._expansions[shape]

    @abstractmethod
    def _expanded(self, inputs: Inputs) -> list[int]:
        """Return the tokens of an image, from its processed pixels."""

    # ------------------------------------------------------------------ pixels

    def process(self, image: Image) -> Inputs:
        """Return the model's inputs for one image, on the CPU; an image is processed once.

        Raises:
            ConfigError: The image processor refuses it, for example because it is too narrow.
        """
        found = self._processed.pop(image.key, None)
        inputs = self._processed_now(image) if found is None else found
        self._processed[image.key] = inputs  # the last one is the newest
        limit = _CACHE_BYTES // max(1, sum(part.nbytes for part in inputs.values()))
        while len(self._processed) > max(1, limit):
            self._processed.popitem(last=False)
        return inputs

    def _processed_now(self, image: Image) -> Inputs:
        try:
            return self._process(image)
        except Exception as error:  # it may raise anything
            raise ConfigError(
                f"The model's image processor fails on an image of shape {image.pixels.shape}:"
                f" {type(error).__name__}: {error}. Show an image of another size."
            ) from error

    @abstractmethod
    def _process(self, image: Image) -> Inputs:
        """Run the image processor."""

    @abstractmethod
    def joined(self, inputs: Sequence[Inputs]) -> Inputs:
        """Return the inputs of several images as those of one pass of the tower."""

    @abstractmethod
    def num_features(self, inputs: Inputs) -> int:
        """Return how many features an image has: its tokens with the id `token_id`."""

    # ------------------------------------------------------------------ hidden states

    @abstractmethod
    def features(self, trunk: Any, inputs: Inputs) -> Features:
        """Run the tower of a model.

        Args:
            trunk: The model up to its last hidden states.
            inputs: See `joined`, on the model's device.

        Returns:
            The features of all images, one image after the other.
        """

    def position_ids(
        self, trunk: Any, is_image: torch.Tensor, inputs: Sequence[Inputs]
    ) -> torch.Tensor | None:
        """Return the positions of tokens; None for 0, 1, 2, ... (the default).

        Args:
            trunk: The model up to its last hidden states.
            is_image: (B, L) bool, the tokens that are features.
            inputs: Those of the image at each place, in the order of the places.
        """
        return None

    def run(self, trunk: Any, inputs: dict[str, Any]) -> Any:
        """Run a trunk on embeddings and return its output."""
        return trunk(**inputs)

    def engine_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return one image's inputs under vLLM's names (vLLM 0.32)."""
        return dict(inputs)
