"""Weights in chunks, and chunks in shared memory for engines in other processes."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

CHUNK_BYTES = 256 * 2**20

Chunk = list[tuple[str, Any]]  # tensors, or the differences of `deltas`


def chunked(
    named_tensors: Iterable[tuple[str, Any]], *, max_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """Split a stream of tensors into lists of at most ``max_bytes`` (one tensor may be larger)."""
    chunk: Chunk = []
    num_bytes = 0
    for name, tensor in named_tensors:
        if chunk and num_bytes + tensor.nbytes > max_bytes:
            yield chunk
            chunk, num_bytes = [], 0
        chunk.append((name, tensor))
        num_bytes += tensor.nbytes
    if chunk:
        yield chunk


class SharedChunk:
    """A chunk copied to shared memory for the duration of a ``with`` block.

    ``description`` holds only plain values, so any serialiser can send it. The memory is a mapped
    file, in /dev/shm if that exists. Before Python 3.13, the first process that exits would unlink
    the standard library's SharedMemory.
    """

    def __init__(self, chunk: Chunk) -> None:
        folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
        file, self._path = tempfile.mkstemp(prefix="rllib_gigpo_weights_", dir=folder)
        os.close(file)
        ends = _aligned_ends([tensor.nbytes for _, tensor in chunk])
        starts = [0, *ends[:-1]]
        memory = _map(self._path, ends[-1])
        layout = []
        for (name, tensor), start in zip(chunk, starts, strict=True):
            _view(memory, tensor.dtype, tensor.shape, start).copy_(tensor)
            dtype_name = str(tensor.dtype).removeprefix("torch.")
            layout.append([name, dtype_name, list(tensor.shape), start])
        self.description: dict[str, Any] = {
            "path": self._path,
            "num_bytes": ends[-1],
            "layout": layout,
        }

    def __enter__(self) -> "SharedChunk":
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the memory; processes that still map it keep it until they unmap it."""
        Path(self._path).unlink(missing_ok=True)


def read_shared_chunk(description: dict[str, Any], device: torch.device) -> Chunk:
    """Copy a chunk out of shared memory; the copies outlive it."""
    memory = _map(description["path"], description["num_bytes"])
    return [
        (name, _view(memory, getattr(torch, dtype_name), shape, start).to(device, copy=True))
        for name, dtype_name, shape, start in description["layout"]
    ]


def _aligned_ends(sizes: Sequence[int]) -> list[int]:
    """Return the end of each part, rounded up so that every part starts at a multiple of 64."""
    ends, end = [], 0
    for size in sizes:
        end += -(-size // 64) * 64
        ends.append(end)
    return ends


def _map(path: str, num_bytes: int) -> torch.Tensor:
    return torch.from_file(path, shared=True, size=num_bytes, dtype=torch.uint8)


def _view(
    memory: torch.Tensor, dtype: torch.dtype, shape: Sequence[int], start: int
) -> torch.Tensor:
    num_bytes = torch.Size(shape).numel() * dtype.itemsize
    return memory[start : start + num_bytes].view(dtype).view(tuple(shape))
