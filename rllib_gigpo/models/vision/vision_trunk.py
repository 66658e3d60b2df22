"""`VisionTrunk`: the trunk of a model of text and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rllib_gigpo.layout.micro_batch import MicroBatch, MicroBatchImages
from rllib_gigpo.media.image import Image
from rllib_gigpo.models.trunk import Trunk
from rllib_gigpo.models.vision.tower import tower_of
from rllib_gigpo.models.vision.vision_family import Features, VisionFamily


class VisionTrunk(Trunk):
    """A trunk that encodes each distinct image of a micro-batch once, and puts it in its places.

    Every pass runs the tower: a micro-batch without images encodes a black one and ignores it.
    Otherwise Learners with images and Learners without would wait for each other's gradients.
    """

    def __init__(self, module: Any, family: VisionFamily) -> None:
        """Run ``module``, a trunk with an image tower that works as ``family`` says."""
        super().__init__(module)
        self._family = family
        self._tower = list(tower_of(module).values())
        self._blank = Image.of(np.zeros((28, 28, 3), dtype=np.uint8))

    def run(self, inputs: dict[str, Any]) -> Any:
        """Run the part of the module that reads embeddings."""
        return self._family.run(self.module, inputs)

    def inputs(self, micro_batch: MicroBatch) -> dict[str, Any]:
        """Return the embeddings of tokens and images, and their positions."""
        ids = micro_batch.input_ids
        images = micro_batch.images or self._no_images(ids.device)
        features, counts = self._encoded(images.images, ids.device)
        is_feature = ids.flatten()[images.positions] == self._family.token_id
        places, chosen = images.positions[is_feature], _feature_indices(counts, images.image_ids)
        embeddings = self.module.get_input_embeddings()(ids).flatten(0, 1)
        # A feature without a place adds 0, so that the tower takes part in every backward pass.
        shown = features.embeddings[chosen].to(embeddings.dtype)
        embeddings = embeddings.index_put((places,), shown) + 0.0 * features.embeddings[:1].sum()
        is_image = torch.zeros(ids.numel(), dtype=torch.bool, device=ids.device)
        is_image[places] = True
        is_image = is_image.view(ids.shape)
        inputs: dict[str, Any] = {"inputs_embeds": embeddings.unflatten(0, ids.shape)}
        placed = [self._family.process(images.images[i]) for i in images.image_ids.tolist()]
        position_ids = self._family.position_ids(self.module, is_image, placed)
        if position_ids is not None:
            inputs["position_ids"] = position_ids
        if features.of_layers:
            inputs["visual_pos_masks"] = is_image
            inputs["deepstack_visual_embeds"] = [layer[chosen] for layer in features.of_layers]
        return inputs

    def _no_images(self, device: torch.device) -> MicroBatchImages:
        none = torch.zeros(0, dtype=torch.int64, device=device)
        return MicroBatchImages((self._blank,), none, none)

    def _encoded(
        self, images: Sequence[Image], device: torch.device
    ) -> tuple[Features, torch.Tensor]:
        """Return the features of images, F in all, and the number of each, (I,) int64."""
        inputs = [self._family.process(image) for image in images]
        joined = {name: part.to(device) for name, part in self._family.joined(inputs).items()}
        counts = torch.tensor([self._family.num_features(one) for one in inputs], device=device)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._trains_tower()):
            return self._family.features(self.module, joined), counts

    def _trains_tower(self) -> bool:
        return any(one.requires_grad for part in self._tower for one in part.parameters())


def _feature_indices(counts: torch.Tensor, image_ids: torch.Tensor) -> torch.Tensor:
    """Return the rows of the features at all places: those of image i are counts[i] in a row."""
    starts = counts.cumsum(0) - counts
    of_place = counts[image_ids]
    within = torch.arange(int(of_place.sum()), device=counts.device)
    within = within - torch.repeat_interleave(of_place.cumsum(0) - of_place, of_place)
    return torch.repeat_interleave(starts[image_ids], of_place) + within
