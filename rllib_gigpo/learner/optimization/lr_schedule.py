"""The learning rate as a function of the iteration."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.options.records import require
from rllib_gigpo.options.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class LRSchedule(ABC):
    """What part of its peak the rate has in an iteration.

    Warm-up: ``(i + 1)/W`` for i < W, so that the first iteration already learns.

    Attributes:
        warmup_iterations: Iterations over which the rate rises from 0, W.
    """

    name: ClassVar[str] = "custom"

    warmup_iterations: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative warm-up."""
        require(self, warmup_iterations=">= 0")

    def __call__(self, iteration: int) -> float:
        """Return the factor of an iteration, counted from 0."""
        if iteration < self.warmup_iterations:
            return (iteration + 1) / self.warmup_iterations
        return self.after_warmup(iteration)

    @abstractmethod
    def after_warmup(self, iteration: int) -> float:
        """Return the factor from iteration W on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(LRSchedule):
    """The peak, after the warm-up."""

    name: ClassVar[str] = "constant"

    def after_warmup(self, iteration: int) -> float:
        """1, see the base class."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay(LRSchedule):
    """Base of the schedules that fall to a fraction f, with the progress p = (i - W)/(D - W).

    Attributes:
        decay_iterations: Iteration at which the decay has ended, D, warm-up included.
        final_fraction: Part of the rate that stays from then on, f, in [0, 1].
    """

    decay_iterations: int
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an end before the end of the warm-up, and a fraction out of range."""
        LRSchedule.__post_init__(self)
        if self.decay_iterations <= self.warmup_iterations:
            raise ValueError(
                f"decay_iterations={self.decay_iterations!r} counts from the start, warm-up"
                f" included, so it must be above warmup_iterations={self.warmup_iterations!r}"
            )
        require(self, final_fraction=">= 0, <= 1")

    def after_warmup(self, iteration: int) -> float:
        """Fall from 1 to f by the shape, see the base class."""
        done = iteration - self.warmup_iterations
        progress = min(done / (self.decay_iterations - self.warmup_iterations), 1.0)
        return self.final_fraction + (1.0 - self.final_fraction) * self.shape(progress)

    @abstractmethod
    def shape(self, progress: float) -> float:
        """Fall from 1 at progress 0 to 0 at progress 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Decay):
    """1 - p."""

    name: ClassVar[str] = "linear"

    def shape(self, progress: float) -> float:
        """1 - p, see the base class."""
        return 1.0 - progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Decay):
    """(1 + cos πp)/2."""

    name: ClassVar[str] = "cosine"

    def shape(self, progress: float) -> float:
        """(1 + cos πp)/2, see the base class."""
        return 0.5 * (1.0 + math.cos(math.pi * progress))


LR_SCHEDULES: Registry[LRSchedule] = Registry("lr_schedule", LRSchedule, (Constant, Linear, Cosine))
