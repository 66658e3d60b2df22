"""Checks on weights that an engine receives: completeness, the tied head, and a checksum.

This module imports no engine, so the Learner computes the same checksum with the same code.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import torch

from rllib_gigpo.errors import EngineError

NamedTensors = Iterable[tuple[str, torch.Tensor]]

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def as_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor's memory as a flat tensor of integers; a view, if it is contiguous."""
    return tensor.detach().contiguous().reshape(-1).view(_INTEGERS[tensor.element_size()])


class WeightsChecksum:
    """A checksum of named tensors that does not depend on their order or device.

    Each tensor's bits are read as integers and summed modulo 2**64 (exact, unlike a sum of
    floats), then mixed with a hash of its name, shape and dtype. The results are added.
    """

    def __init__(self, *, tied_head: str | None = None) -> None:
        """Start at 0; ``tied_head`` names the output head if it equals the embedding."""
        self._total = 0
        self._tied_head = tied_head

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add a tensor; the head of a tied model equals the embedding and does not count."""
        if name == self._tied_head:
            return
        label = hashlib.sha256(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode()).digest()
        odd_factor = int.from_bytes(label[:8], "little") | 1
        self._total += odd_factor * (int(as_bits(tensor).sum(dtype=torch.int64)) + 1)

    def hexdigest(self) -> str:
        """Return the checksum as 16 hexadecimal digits."""
        return f"{self._total % 2**64:016x}"


def weights_checksum(named_tensors: NamedTensors, *, tied_head: str | None = None) -> str:
    """Return the ``WeightsChecksum`` of ``(checkpoint name, tensor)`` pairs.

    To compare it with ``InferenceEngine.weights_checksum()``, pass the tensors in the dtype in
    which they were sent, and the name of the output head of a tied model as ``tied_head``.
    """
    checksum = WeightsChecksum(tied_head=tied_head)
    for name, tensor in named_tensors:
        checksum.add(name, tensor)
    return checksum.hexdigest()


def with_tied_head(
    named_tensors: NamedTensors, *, head: str, embedding: str
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream through, and add the output head at its end if the stream has none.

    When vLLM loads a model on a CPU, it repacks the head, tied or not, into its own layout. Without
    this tensor, the head would silently keep the previous weights (log-probs were off by 1.3).
    """
    found: torch.Tensor | None = None
    has_head = False
    for name, tensor in named_tensors:
        has_head |= name == head
        if name == embedding:
            found = tensor
        yield name, tensor
    if found is not None and not has_head:
        yield head, found


def checked(
    named_tensors: NamedTensors, shapes: Mapping[str, tuple[int, ...]], *, tied_head: str | None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream of weights through, and check it against the model's names and shapes.

    Args:
        named_tensors: Pairs of a checkpoint name and a tensor.
        shapes: The model's shapes by name; if empty (unknown), only duplicates are found.
        tied_head: The output head of a tied model, which the stream may lack; None if not tied.

    Raises:
        EngineError: A name is unknown or appears twice, a shape differs or, at the end, tensors are
            missing.
    """
    seen: set[str] = set()
    for name, tensor in named_tensors:
        if name in seen:
            raise EngineError(f"The weight update has {name!r} twice: send each tensor once.")
        if shapes and name != tied_head:
            _check_tensor(name, tuple(tensor.shape), shapes)
        seen.add(name)
        yield name, tensor
    missing = sorted(set(shapes) - seen - {tied_head})
    if missing:
        raise EngineError(
            f"The weight update lacks {len(missing)} of {len(shapes)} tensors ({missing[:3]} ...): "
            "send every tensor of the checkpoint in each update."
        )


def _check_tensor(name: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if name not in shapes:
        raise EngineError(
            f"The weight update has {name!r}, which the engine's model does not have: send the "
            "names of the checkpoint that the engine was started from."
        )
    if shape != shapes[name]:
        raise EngineError(
            f"In the weight update, {name!r} has shape {shape}, but the engine's model has "
            f"{shapes[name]}: build the Learner and the engine from the same model."
        )
