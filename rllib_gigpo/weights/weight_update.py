"""`WeightUpdate`: one version of the weights on its way from the Learners to the EnvRunners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ray


@dataclass(frozen=True, slots=True)
class WeightUpdate:
    """One version of the weights in Ray's object store.

    Attributes:
        version: The policy version.
        serial: The number of the update; versions may go back, when a run is restored.
        base: The serial number that the differences start from; None for whole tensors.
        chunks: Lists of (name, tensor or `Delta`).
        num_bytes: Bytes of all chunks.
        checksum: Of the whole weights, in the engine's type; empty if nobody compares it.
    """

    version: int
    serial: int
    base: int | None
    chunks: list[ray.ObjectRef]
    num_bytes: int
    checksum: str = ""
