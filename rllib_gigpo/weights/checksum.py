"""Weights on their way into an engine: are they all there, is the head among them, one checksum.

No engine is imported here: the Learner's side computes the same checksum with the same code.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import torch

from rllib_gigpo.errors import EngineError

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"

NamedTensors = Iterable[tuple[str, torch.Tensor]]

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class WeightsChecksum:
    """A checksum of named tensors that depends neither on their order nor on their device.

    Every tensor's bits are read as integers and summed modulo 2**64 (exact, unlike a sum of
    floats), and mixed with a hash of its name, shape and type; the results are added up.
    """

    def __init__(self, *, is_tied: bool = False) -> None:
        self._total = 0
        self._is_tied = is_tied

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add one tensor; the head of a tied model is the embedding's twin and does not count."""
        if self._is_tied and name == HEAD:
            return
        label = hashlib.sha256(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode()).digest()
        odd_factor = int.from_bytes(label[:8], "little") | 1
        bits = tensor.detach().contiguous().reshape(-1).view(_INTEGERS[tensor.element_size()])
        self._total += odd_factor * (int(bits.sum(dtype=torch.int64)) + 1)

    def hexdigest(self) -> str:
        """Return the checksum as 16 hexadecimal digits."""
        return f"{self._total % 2**64:016x}"


def weights_checksum(named_tensors: NamedTensors, *, is_tied: bool = False) -> str:
    """Return the ``WeightsChecksum`` of pairs of checkpoint name and tensor.

    Compare it with ``InferenceEngine.weights_checksum()``: the tensors must have the type in which
    they were sent, and ``is_tied`` is the model's ``tie_word_embeddings``.
    """
    checksum = WeightsChecksum(is_tied=is_tied)
    for name, tensor in named_tensors:
        checksum.add(name, tensor)
    return checksum.hexdigest()


def with_tied_head(named_tensors: NamedTensors) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream through; add the output head at its end if the stream has none.

    vLLM repacks the head into a layout of its own when it loads a model on a CPU, tied or not:
    without this tensor the head would stay that of the previous weights, without a word (log-probs
    were off by 1.3).
    """
    embedding: torch.Tensor | None = None
    has_head = False
    for name, tensor in named_tensors:
        has_head |= name == HEAD
        if name == EMBEDDING:
            embedding = tensor
        yield name, tensor
    if embedding is not None and not has_head:
        yield HEAD, embedding


def checked(
    named_tensors: NamedTensors, shapes: Mapping[str, tuple[int, ...]], *, is_tied: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream of weights through and hold it against the model's names and shapes.

    Args:
        named_tensors: Pairs of checkpoint name and tensor.
        shapes: What the model has; empty if that is not known, then only twins are found.
        is_tied: The output head may be there or not.

    Raises:
        EngineError: At an unknown name, a name twice or another shape; at the end, if tensors are
            missing.
    """
    seen: set[str] = set()
    for name, tensor in named_tensors:
        if name in seen:
            raise EngineError(f"The weight update holds {name!r} twice: send each tensor once.")
        if shapes and not (is_tied and name == HEAD):
            _check_tensor(name, tuple(tensor.shape), shapes)
        seen.add(name)
        yield name, tensor
    missing = sorted(set(shapes) - seen - ({HEAD} if is_tied else set()))
    if missing:
        raise EngineError(
            f"The weight update lacks {len(missing)} of {len(shapes)} tensors ({missing[:3]} ...): "
            "send every tensor of the checkpoint in each update."
        )


def _check_tensor(name: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if name not in shapes:
        raise EngineError(
            f"The weight update holds {name!r}, which the engine's model does not have: send the "
            "names of the checkpoint that the engine was started from."
        )
    if shape != shapes[name]:
        raise EngineError(
            f"The weight update's {name!r} has shape {shape}, the engine's model {shapes[name]}: "
            "Learner and engine were built from different models."
        )
