"""Protects the state of a process from a vLLM engine that runs inside it.

An in-process vLLM 0.32 seeds Python's, NumPy's and Torch's generators and draws from Torch's at
every step. It replaces ``torch.set_num_threads`` with a function that does nothing, and sets
environment variables (among them LD_PRELOAD, which every child process would inherit). It creates
Torch's default process group, which a Learner in the same process may need to create itself.

Not undone: ``torch.accelerator.synchronize`` and ``empty_cache`` do nothing (vLLM's CPU worker
calls them), and whatever ``import vllm`` itself sets.
"""

import gc
import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch

from rllib_gigpo.errors import EngineError


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore the whole environment afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def unchanged_random_state() -> Iterator[None]:
    """Restore the global generators of Python, NumPy and Torch (CPU) afterwards."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)


@contextmanager
def unchanged_threads() -> Iterator[None]:
    """Restore ``torch.set_num_threads``, its value and the CPU affinity afterwards."""
    set_num_threads, num_threads = torch.set_num_threads, torch.get_num_threads()
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(num_threads)
        if affinity is not None:
            os.sched_setaffinity(0, affinity)


@contextmanager
def unbound_memory() -> Iterator[None]:
    """Keep vLLM's CPU worker from binding the process's memory to one NUMA node, for good."""
    operators: Any = torch.ops._C
    bind = operators.init_cpu_memory_env
    operators.init_cpu_memory_env = lambda nodes: None
    try:
        yield
    finally:
        operators.init_cpu_memory_env = bind


@contextmanager
def hidden_modules(package: str) -> Iterator[None]:
    """Hide a package's loaded modules from ``sys.modules`` inside the block.

    When vLLM 0.32 starts on a CPU, it searches all loaded modules for kernels, and fails at objects
    of llvmlite, which numba loads (`vllm/triton_utils/dispatcher.py`).
    """
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    hidden = {name: sys.modules.pop(name) for name in names}
    try:
        yield
    finally:
        sys.modules.update(hidden)


@contextmanager
def undecorated_models(base: type) -> Iterator[None]:
    """Keep transformers' classes as they are while vLLM builds a model from them.

    For models that it has no code for, vLLM 0.32 marks transformers' class in place to be compiled.
    A Learner in this process uses the same class, and could no longer build its model. An engine
    here runs eagerly, so it does without the mark.

    Args:
        base: vLLM's base class of such models.
    """
    mark = base._decorate_cls_for_torch_compile  # type: ignore[attr-defined]
    base._decorate_cls_for_torch_compile = lambda *args, **kwargs: None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        base._decorate_cls_for_torch_compile = mark  # type: ignore[attr-defined]


@contextmanager
def postponed_collections() -> Iterator[None]:
    """Let nothing collect garbage; the caller does so afterwards.

    An engine that shuts down collects twice, half a second each, while its caller still holds it.
    """
    collect = gc.collect
    gc.collect = lambda generation=2: 0
    try:
        yield
    finally:
        gc.collect = collect


@contextmanager
def num_threads(count: int | None) -> Iterator[None]:
    """Run with ``count`` Torch threads; None keeps the number."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class RandomStream:
    """A Torch CPU random state that replaces the global one inside a block."""

    def __init__(self, seed: int) -> None:
        self._state = torch.Generator().manual_seed(seed).get_state()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this stream inside the block, and from the process's state outside."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = torch.get_rng_state()
            torch.set_rng_state(outside)


@contextmanager
def private_process_groups(parallel_state: ModuleType) -> Iterator[None]:
    """Let vLLM build its groups of one rank, then remove them from ``torch.distributed``.

    With one rank vLLM never communicates: its group objects work without Torch's groups, and the
    process's default group is free for a Learner.

    Args:
        parallel_state: vLLM's module of that name, which keeps the groups in globals.

    Raises:
        EngineError: The process already belongs to a group of several ranks.
    """
    had_group = torch.distributed.is_initialized()
    if had_group and torch.distributed.get_world_size() > 1:
        raise EngineError(
            "An engine cannot start in this process, which belongs to a process group of "
            f"{torch.distributed.get_world_size()} ranks: start it in another process."
        )
    with _default_group_hidden():  # groups of an earlier engine, already removed
        parallel_state.destroy_model_parallel()
        parallel_state.destroy_distributed_environment()
    try:
        yield
    finally:
        for group in _groups(parallel_state).values():
            group.destroy()
        if not had_group and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def kept_process_groups(parallel_state: ModuleType) -> Iterator[None]:
    """Keep the groups of other engines and the Learner, which vLLM's shutdown would destroy."""
    groups = _groups(parallel_state)
    with _default_group_hidden():
        yield
    vars(parallel_state).update(groups)


def _groups(parallel_state: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(parallel_state).items()
        if isinstance(value, parallel_state.GroupCoordinator)
    }


@contextmanager
def _default_group_hidden() -> Iterator[None]:
    member = torch.distributed.GroupMember
    group = member.WORLD
    member.WORLD = None
    try:
        yield
    finally:
        member.WORLD = group
