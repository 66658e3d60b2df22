"""The end of a model's forward pass, run by the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rllib_gigpo.models.causal_lm import trunk_of


class OwnHead:
    """The step from last hidden states to logits, as the model's own code takes it.

    It is called instead of a formula that was read from the configuration: the model runs as a
    whole, but its trunk returns the given states.
    """

    def __init__(self, model: Any) -> None:
        """Run the trunk of ``model``, a Hugging Face causal LM, once to learn its record."""
        self._model = model
        with torch.no_grad():
            output = trunk_of(model)(input_ids=self._any_ids(1), use_cache=False)
        self._record = type(output)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of hidden states: (C, H) -> (C, V)."""
        states = self._record(last_hidden_state=hidden[None])
        with _returning(trunk_of(self._model), states):
            output = self._model(input_ids=self._any_ids(len(hidden)), use_cache=False)
        return output.logits[0]

    def _any_ids(self, length: int) -> torch.Tensor:
        return torch.zeros(1, length, dtype=torch.int64, device=self._model.device)


@contextmanager
def _returning(trunk: nn.Module, states: Any) -> Iterator[None]:
    """Let a module return ``states`` inside the block, whatever it is called with."""
    own = vars(trunk).get("forward")  # a hook may have replaced the class's method
    trunk.forward = lambda *args, **kwargs: states
    try:
        yield
    finally:
        del trunk.forward
        if own is not None:
            trunk.forward = own
