"""Weights in Ray's object store, and from there into an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ray
import torch
from ray.rllib.core import COMPONENT_RL_MODULE

from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS
from rllib_gigpo.weights.chunks import chunked


def put_in_store(named: Iterable[tuple[str, Any]]) -> tuple[list[ray.ObjectRef], int]:
    """Put named tensors or differences into the object store, in chunks.

    Returns:
        The chunks, and the bytes of all.
    """
    references, num_bytes = [], 0
    for chunk in chunked(named):
        references.append(ray.put(chunk))
        num_bytes += sum(part.nbytes for _, part in chunk)
    return references, num_bytes


def stream(chunks: Sequence[ray.ObjectRef]) -> Iterator[tuple[str, Any]]:
    """Read chunks from the object store, one at a time."""
    for reference in chunks:
        yield from ray.get(reference)


def load_weights(env_runner: Any, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> int:
    """Load ``weights`` into an EnvRunner's engine, and return the version that it then has."""
    env_runner.set_state({COMPONENT_RL_MODULE: {WEIGHTS: weights, VERSION: version}})
    return env_runner.module.engine.weight_version
