"""The names and shapes that a model's tensors have in its checkpoint.

transformers (5.19) may hold them otherwise than the files: all experts of a layer in one tensor,
other prefixes of a composed model. This module asks it for the way back and lists no models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from transformers.core_model_loading import revert_weight_conversion

from rllib_gigpo.models.lora import plain_weights

NamedTensors = Iterable[tuple[str, torch.Tensor]]


class CheckpointNames:
    """The way from a model's tensors to those of its checkpoint."""

    def __init__(self, model: Any) -> None:
        """Ask ``model``, a Hugging Face causal LM on any device; its adapters do not count."""
        self._model = model
        own = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            for name, tensor in plain_weights(model)
        }
        alone = {name: revert_weight_conversion(model, {name: own[name]}) for name in own}
        # A tensor that only gets another name is passed on as it is.
        self._new_names = {
            name: next(iter(parts))
            for name, parts in alone.items()
            if len(parts) == 1 and next(iter(parts.values())) is own[name]
        }
        self.shapes = _shapes(revert_weight_conversion(model, dict(own)))
        parts = [_shapes(one) for one in alone.values()]
        self._is_streamed = {name: it for one in parts for name, it in one.items()} == self.shapes

    def weight_of(self, layer: torch.nn.Module) -> str:
        """Return the checkpoint's name of the weight of one of the model's layers."""
        path = next(path for path, module in self._model.named_modules() if module is layer)
        return self._new_names[f"{path}.weight"]

    def converted(
        self, weights: NamedTensors, whole: Callable[[torch.Tensor], torch.Tensor]
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the checkpoint's (name, tensor) pairs for the model's.

        Args:
            weights: All of the model's tensors.
            whole: Returns the whole of a tensor that may be sharded.
        """
        if not self._is_streamed:  # some tensors are made of several
            state = {name: _on_host(whole(tensor)) for name, tensor in weights}
            yield from revert_weight_conversion(self._model, state).items()
            return
        for name, tensor in weights:
            if name in self._new_names:
                yield self._new_names[name], tensor
            else:
                yield from revert_weight_conversion(self._model, {name: whole(tensor)}).items()

    @torch.no_grad()
    def load(self, model: Any, state: dict[str, torch.Tensor]) -> None:
        """Copy the checkpoint's tensors into a model of this kind, in place.

        Args:
            model: The model.
            state: All tensors of the checkpoint; a tied output head may be missing.
        """
        own = model.state_dict(keep_vars=True)
        if self._new_names.keys() < own.keys():  # some are converted: transformers does it
            new = (
                type(model)
                .from_pretrained(None, config=model.config, state_dict=state, dtype=model.dtype)
                .state_dict()
            )
        else:
            new = {name: state[to] for name, to in self._new_names.items() if to in state}
        for name, tensor in own.items():
            if name in new:
                tensor.copy_(new[name])


def _on_host(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the host's memory, where a whole model has room."""
    return tensor if tensor.is_meta else tensor.cpu()


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
