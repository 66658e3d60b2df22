"""Leave the process as it was: what an engine inside a process may not change for the others.

vLLM 0.32 in process seeds Python's, NumPy's and Torch's generators, replaces
``torch.set_num_threads`` by a function that does nothing, writes environment variables (among them
LD_PRELOAD, which every child process would inherit) and creates Torch's default process group.
"""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def unchanged_random_state() -> Iterator[None]:
    """Put the global generators of Python, NumPy and Torch (CPU) back afterwards."""
    python_state, numpy_state, torch_state = (
        random.getstate(),
        np.random.get_state(),
        torch.get_rng_state(),
    )
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables; afterwards the environment is exactly what it was before."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def unchanged_threads() -> Iterator[None]:
    """Put ``torch.set_num_threads``, its value and the CPU affinity back afterwards."""
    set_num_threads, num_threads = torch.set_num_threads, torch.get_num_threads()
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(num_threads)
        if affinity is not None:
            os.sched_setaffinity(0, affinity)


class RandomStream:
    """A Torch CPU generator state of its own, swapped in where code draws from the global one."""

    def __init__(self, seed: int) -> None:
        self._state = torch.Generator().manual_seed(seed).get_state()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this stream inside the block and from the process's own outside."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = torch.get_rng_state()
            torch.set_rng_state(outside)


@contextmanager
def num_threads(count: int | None) -> Iterator[None]:
    """Run with ``count`` Torch threads; None leaves the number alone."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def default_group_hidden() -> Iterator[None]:
    """Hide Torch's default process group from code that would destroy it."""
    member = torch.distributed.GroupMember
    group = member.WORLD
    member.WORLD = None
    try:
        yield
    finally:
        member.WORLD = group
