"""Chooses the size of a micro-batch on a CPU by the memory that is free."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rllib_gigpo.models.hardware.free_memory import free_bytes
from rllib_gigpo.models.hardware.pass_memory import PassMemory

AUTO = "auto"
SMALLEST, LARGEST = 256, 16384
# The share of the free memory that a pass may take. The engine and the environments need memory
# too, and beyond 1,024 tokens a pass of a small model is hardly faster per token (168, 171 and 179
# tokens/s with 512, 1,024 and 2,048).
SHARE = 1 / 6


def resolve_micro_batch_tokens(
    setting: int | str,
    memory: PassMemory | None,
    *,
    device: torch.device,
    to_come: int = 0,
    num_processes: int = 1,
    free: Callable[[], int] = free_bytes,
) -> int:
    """Return the largest number of positions of a micro-batch.

    Args:
        setting: A number, or "auto".
        memory: The memory of a pass; None if the model's shape is unknown.
        device: Where passes run. On a GPU "auto" is 16,384.
        to_come: Bytes that this process will take and keep, such as gradients and moments.
        num_processes: Number of processes that do the same, perhaps on this machine.
        free: Returns the free bytes.
    """
    if isinstance(setting, int):
        return setting
    if device.type != "cpu":
        return LARGEST
    if memory is None:
        return 4 * SMALLEST
    return largest_that_fits(memory.total, SHARE * (free() - to_come) / num_processes)


def largest_that_fits(num_bytes: Callable[[int], int], room: float) -> int:
    """Return the largest power of two from 256 to 16,384 tokens that fits, else 256.

    Powers of two, because a small change of the free memory should not change the micro-batches,
    and with them the rounding.

    Args:
        num_bytes: Bytes of a pass over a number of tokens.
        room: The bytes that it may take.
    """
    size = LARGEST
    while size > SMALLEST and num_bytes(size) > room:
        size //= 2
    return size
