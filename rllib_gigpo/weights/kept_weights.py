"""The copies of the weights at both ends, from which differences start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from rllib_gigpo.errors import EngineError
from rllib_gigpo.weights.checksum import WeightsChecksum, weights_checksum
from rllib_gigpo.weights.delivery import stream
from rllib_gigpo.weights.deltas import Delta, difference
from rllib_gigpo.weights.weight_update import WeightUpdate


@dataclass(slots=True)
class SentWeights:
    """What a Learner has sent last."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    serial: int | None = None
    checksum: str = ""

    def changes(
        self, weights: Iterator[tuple[str, torch.Tensor]], *, is_full: bool
    ) -> Iterator[tuple[str, Any]]:
        """Yield (name, tensor or difference), and remember the tensors and their checksum."""
        checksum, self.serial = WeightsChecksum(), None
        for name, exported in weights:
            tensor = exported.contiguous()
            checksum.add(name, tensor)
            yield name, tensor if is_full else difference(self.tensors[name], tensor)
            self.tensors[name] = tensor
        self.checksum = checksum.hexdigest()


@dataclass(slots=True)
class KeptWeights:
    """The weights that an EnvRunner has received."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    serial: int | None = None

    def follow(self, updates: Sequence[WeightUpdate]) -> None:
        """Apply the updates that are missing; all of them, if the checksum then differs.

        Raises:
            EngineError: The checksum differs even so, or the first update is a difference to
                weights that this EnvRunner does not have.
        """
        own = [number for number, one in enumerate(updates, 1) if one.serial == self.serial]
        missing = updates[own[-1] :] if own else updates
        if not self._arrives(missing, updates[-1]) and not self._arrives(updates, updates[-1]):
            raise EngineError(
                f"The weights of policy version {updates[-1].version} that arrived are not those"
                " that the Learner sent (checksum): memory or network are faulty; to send all"
                " weights each time, set inference(weight_sync='full')."
            )

    def _arrives(self, updates: Sequence[WeightUpdate], last: WeightUpdate) -> bool:
        for update in updates:
            self._apply(update)
        return weights_checksum(self.tensors.items()) == last.checksum

    def _apply(self, update: WeightUpdate) -> None:
        if update.base is not None and update.base != self.serial:
            raise EngineError(
                f"The update to policy version {update.version} holds only differences, and this"
                " EnvRunner lacks the weights that they start from: send all weights first."
            )
        self.serial = None  # until all chunks have been applied
        for name, part in stream(update.chunks):
            if isinstance(part, Delta):
                part.apply(self.tensors[name])
            else:
                self.tensors[name] = part.clone()
        self.serial = update.serial
