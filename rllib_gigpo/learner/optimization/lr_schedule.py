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
    """The learning rate's factor, relative to its peak, in each iteration.

    Warm-up: ``(i + 1)/W`` for i < W, so the first iteration already learns.

    Attributes:
        warmup_iterations: Number of iterations W over which the rate rises from 0.
    """

    name: ClassVar[str] = "custom"

    warmup_iterations: int = 0

    def __post_init__(self) -> None:
        """Check that the warm-up is not negative."""
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
    """The peak rate after the warm-up."""

    name: ClassVar[str] = "constant"

    def after_warmup(self, iteration: int) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay(LRSchedule):
    """Base class of schedules that fall to a fraction f, with progress p = (i - W)/(D - W).

    Attributes:
        decay_iterations: Iteration D at which the decay ends, warm-up included.
        final_fraction: Fraction f of the peak rate from iteration D on, in [0, 1].
    """

    decay_iterations: int
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Check that the decay ends after the warm-up and that the fraction is in range."""
        LRSchedule.__post_init__(self)
        if self.decay_iterations <= self.warmup_iterations:
            raise ValueError(
                f"decay_iterations={self.decay_iterations!r} includes the warm-up, so it must be"
                f" above warmup_iterations={self.warmup_iterations!r}"
            )
        require(self, final_fraction=">= 0, <= 1")

    def after_warmup(self, iteration: int) -> float:
        """Return the factor, which falls from 1 to f along the shape."""
        done = iteration - self.warmup_iterations
        progress = min(done / (self.decay_iterations - self.warmup_iterations), 1.0)
        return self.final_fraction + (1.0 - self.final_fraction) * self.shape(progress)

    @abstractmethod
    def shape(self, progress: float) -> float:
        """Return the shape's value, which falls from 1 at progress 0 to 0 at progress 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Decay):
    """Linear decay: 1 - p."""

    name: ClassVar[str] = "linear"

    def shape(self, progress: float) -> float:
        """Return 1 - p."""
        return 1.0 - progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Decay):
    """Cosine decay: (1 + cos πp)/2."""

    name: ClassVar[str] = "cosine"

    def shape(self, progress: float) -> float:
        """Return (1 + cos πp)/2."""
        return 0.5 * (1.0 + math.cos(math.pi * progress))


LR_SCHEDULES: Registry[LRSchedule] = Registry("lr_schedule", LRSchedule, (Constant, Linear, Cosine))
