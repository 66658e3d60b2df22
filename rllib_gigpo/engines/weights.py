"""Weights on their way into an engine: which tensors a model has, are they all there, one checksum.

No engine is imported here, so the Learner's side computes the same checksum with the same code.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch

from rllib_gigpo.errors import EngineError

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

NamedTensors = Iterable[tuple[str, torch.Tensor]]


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


def checkpoint_shapes(model_path: str) -> dict[str, tuple[int, ...]]:
    """Read names and shapes of a checkpoint's tensors from the headers of its safetensors files.

    Empty for a checkpoint in another format: nothing is known then, and nothing is checked.
    """
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(Path(model_path).glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118
                shapes[key] = tuple(tensors.get_slice(key).get_shape())
    return shapes


def checkpoint_tensors(model_path: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Read a checkpoint's tensors one by one."""
    from safetensors import safe_open

    for file in sorted(Path(model_path).glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118
                yield key, tensors.get_tensor(key)


def read_json(path: Path) -> dict:
    """Read a JSON object; an absent file is an empty one."""
    return json.loads(path.read_text()) if path.is_file() else {}


def has_tied_head(model_path: str) -> bool:
    """Say whether the model's output head is its input embedding."""
    return bool(read_json(Path(model_path) / "config.json").get("tie_word_embeddings", False))


def with_tied_head(named_tensors: NamedTensors) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream through; add the output head after the embedding if the stream has no head.

    vLLM repacks the head into its own layout when it loads a model, tied or not: without this
    tensor the head would stay that of the previous weights, silently (log-probs off by 1.3).
    """
    embedding: torch.Tensor | None = None
    for name, tensor in named_tensors:
        if name == HEAD:
            embedding = None
        elif name == EMBEDDING:
            embedding = tensor
        yield name, tensor
    if embedding is not None:
        yield HEAD, embedding


def checked(
    named_tensors: NamedTensors, shapes: Mapping[str, tuple[int, ...]], *, is_tied: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass a stream of weights through and hold it against the checkpoint's names and shapes.

    Raises:
        EngineError: At an unknown name, a name twice or another shape; at the end, if tensors are
            missing. ``shapes`` empty: only twins are found.
    """
    seen: set[str] = set()
    for name, tensor in named_tensors:
        _check_tensor(name, tuple(tensor.shape), shapes, is_tied=is_tied)
        if name in seen:
            raise EngineError(f"The weight update holds {name!r} twice: send each tensor once.")
        seen.add(name)
        yield name, tensor
    missing = sorted(set(shapes) - seen - ({HEAD} if is_tied else set()))
    if missing:
        raise EngineError(
            f"The weight update lacks {len(missing)} of {len(shapes)} tensors ({missing[:3]} ...): "
            "send every tensor of the checkpoint in each update."
        )


def _check_tensor(
    name: str,
    shape: tuple[int, ...],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    is_tied: bool,
) -> None:
    if not shapes or (is_tied and name == HEAD):
        return
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
