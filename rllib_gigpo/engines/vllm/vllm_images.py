"""Prompts with images for a vLLM engine (vLLM 0.32): expanded tokens and our own pixels."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BatchFeature
from vllm.inputs.engine import mm_input
from vllm.multimodal.inputs import MultiModalKwargsItem, MultiModalKwargsItems, PlaceholderRange
from vllm.v1.engine.llm_engine import LLMEngine

from rllib_gigpo.engines.inference_engine import EngineSettings, GenerationRequest
from rllib_gigpo.errors import EngineError
from rllib_gigpo.media.image import Image, PlacedImage
from rllib_gigpo.models.vision.families import vision_family

_IMAGE = "image"  # vLLM's name of the modality


class ImagePrompts:
    """Makes vLLM's inputs, with the pixels that the Learner will see, processed once.

    vLLM resizes nothing here. Its encoder cache knows an image by its hash, so equal images of
    running requests are encoded once.
    """

    def __init__(self, llm: LLMEngine, settings: EngineSettings) -> None:
        """Serve a running engine.

        Args:
            llm: The engine, whose processor tells how pixels are batched.
            settings: What it was started with; its model reads images.
        """
        family = vision_family(settings.model_path)
        assert family is not None
        self._family = family
        self._max_images = settings.max_prompt_images
        self._processor: Any = llm.renderer.mm_processor

    def __call__(self, request: GenerationRequest) -> Any:
        """Return the input of a request; see vLLM's `mm_input`.

        Raises:
            EngineError: The prompt has more images than the engine was started for.
        """
        ids = list(request.prompt_token_ids)
        if not request.images:
            return {"prompt_token_ids": ids}
        if len(request.images) > self._max_images:
            raise EngineError(
                f"The prompt of request {request.request_id!r} has {len(request.images)} images,"
                f" but the engine was started for {self._max_images}: raise"
                ' llm(images={"max_in_prompt": ...}).'
            )
        return mm_input(
            prompt_token_ids=ids,
            mm_kwargs=MultiModalKwargsItems(
                {_IMAGE: [self._item(place.image) for place in request.images]}
            ),
            mm_hashes={_IMAGE: [place.image.key for place in request.images]},
            mm_placeholders={_IMAGE: [self._range(ids, place) for place in request.images]},
        )

    def _item(self, image: Image) -> MultiModalKwargsItem:
        inputs = BatchFeature(self._family.engine_inputs(self._family.process(image)))
        fields = self._processor._get_mm_fields_config(inputs, {})
        return MultiModalKwargsItems.from_hf_inputs(inputs, fields)[_IMAGE][0]

    def _range(self, ids: list[int], place: PlacedImage) -> PlaceholderRange:
        tokens = torch.tensor(ids[place.start : place.stop])
        return PlaceholderRange(
            offset=place.start, length=place.length, is_embed=tokens == self._family.token_id
        )
