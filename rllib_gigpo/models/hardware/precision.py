"""Chooses the types in which engine and Learner compute: bfloat16 where it is clearly faster."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

logger = logging.getLogger(__name__)

AUTO = "auto"
# bfloat16 must be faster by this factor. The probe finds 1.7 to 2.1 with AVX512-BF16. Without such
# instructions products are converted in software, so noise does not change the answer.
MIN_GAIN = 1.25
_PROBE_S = 0.5
_MIN_ROUNDS = 2
# A layer of a small language model: 256 tokens, width 576, inner width 1,536.
_TOKENS, _WIDTH, _INNER = 256, 576, 1536


@dataclass(frozen=True, slots=True)
class Precision:
    """The types in which the engine and the Learner compute, by their names in torch.

    Attributes:
        weights: Type of the Learner's weights.
        autocast: Type of the Learner's matrix products; None for that of the weights.
        engine: Type of the engine's weights and products.
        engine_chooses: Whether the engine decides on another machine, so that its type is a guess.
    """

    weights: str
    autocast: str | None
    engine: str
    engine_chooses: bool = False

    @classmethod
    def of(
        cls,
        weights: str,
        *,
        autocast: str | None,
        engine: str | None,
        engine_is_here: bool = True,
        prefers_bfloat16: Callable[[], bool],
    ) -> Precision:
        """Resolve the settings ``autocast_dtype`` and ``engine_dtype``.

        Args:
            weights: Type of the Learner's weights.
            autocast: A type, None, or "auto".
            engine: A type, None for that of the weights, or "auto".
            engine_is_here: Whether the engine is in this process. Otherwise "auto" is decided on
                its own machine, which is assumed to be of the same kind.
            prefers_bfloat16: Says what "auto" means; called at most once, and only if needed.
        """
        is_bfloat16 = AUTO in (autocast, engine) and prefers_bfloat16()
        by_machine = "bfloat16" if is_bfloat16 else None
        return cls(
            weights=weights,
            autocast=by_machine if autocast == AUTO else autocast,
            engine=(by_machine or "float32") if engine == AUTO else engine or weights,
            engine_chooses=engine == AUTO and not engine_is_here,
        )

    @property
    def is_equal(self) -> bool:
        """Whether engine and Learner are known to compute alike.

        Autocast keeps sums and norms in float32, so it is not the same as weights in its type.
        """
        is_mixed = self.autocast not in (None, self.weights)
        return not (is_mixed or self.engine_chooses) and self.engine == self.weights


def engine_dtype(setting: str) -> str:
    """Return the type of an engine in this process: the setting, or what "auto" means here."""
    if setting != AUTO:
        return setting
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bfloat16" if prefers_bfloat16(device) else "float32"


def autocast_context(
    device: torch.device, dtype: str | None
) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which matrix products have the type ``dtype``; None changes nothing."""
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, dtype))


def prefers_bfloat16(device: torch.device) -> bool:
    """Return whether matrix products on a device should be in bfloat16.

    On a GPU they should. On a CPU a probe of half a second decides, once per process.
    """
    return device.type == "cuda" or (device.type == "cpu" and _cpu_prefers_bfloat16())


@functools.cache
def _cpu_prefers_bfloat16() -> bool:
    gain = measured_gain(_layer_pass(None), _layer_pass("bfloat16"))
    logger.info("bfloat16 products take 1/%.2f of float32's time on this CPU", gain)
    return gain >= MIN_GAIN


def measured_gain(
    plain: Callable[[], object],
    mixed: Callable[[], object],
    *,
    clock: Callable[[], float] = time.perf_counter,
    probe_s: float = _PROBE_S,
) -> float:
    """Return how many times as fast ``mixed`` is as ``plain``.

    They run in turns until the time is over. The fastest run of each counts, because other work on
    the machine only ever slows a run down.

    Args:
        plain: A forward and backward pass in float32.
        mixed: The same in bfloat16.
        clock: The time in seconds.
        probe_s: Length of the probe; each pass runs at least twice, after one to warm up.
    """
    plain(), mixed()
    end, plain_s, mixed_s = clock() + probe_s, list[float](), list[float]()
    while len(plain_s) < _MIN_ROUNDS or clock() < end:
        for run, times in ((plain, plain_s), (mixed, mixed_s)):
            start = clock()
            run()
            times.append(clock() - start)
    return min(plain_s) / min(mixed_s)


def _layer_pass(dtype: str | None) -> Callable[[], None]:
    """Return a pass through two linear layers, forward and backward, from float32 weights."""
    generator = torch.Generator().manual_seed(0)  # leaves the global random state alone
    shapes = ((_TOKENS, _WIDTH), (_INNER, _WIDTH), (_WIDTH, _INNER))
    inputs, wide, narrow = (
        torch.randn(shape, generator=generator).requires_grad_() for shape in shapes
    )

    def run() -> None:
        with torch.enable_grad():
            with autocast_context(inputs.device, dtype):
                hidden = torch.nn.functional.linear(inputs, wide)
                result = torch.nn.functional.linear(hidden, narrow)
            torch.autograd.grad(result.float().sum(), (inputs, wide, narrow))

    return run
