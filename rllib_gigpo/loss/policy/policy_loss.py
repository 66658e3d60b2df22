"""The interface of policy losses: log-probabilities and advantages in, a loss per token out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.loss.token_columns import TokenColumns


class PolicyLoss(ABC):
    """Base of the policy losses, without KL and entropy. A = 0 gives a loss and a gradient of 0.

    Subclass it as a frozen dataclass whose fields are its options, as in ``policy_loss={"name":
    "package.module:Class", "option": 1.0}``; a field ``clip_param`` is filled from the setting of
    the same name.
    """

    name: ClassVar[str] = "custom"
    # The only aggregation that works with the loss; None for any.
    aggregation: ClassVar[str | None] = None

    @abstractmethod
    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of each token.

        Args:
            logp: (S,) Log-probabilities under the policy, with gradient.
            columns: The other per-token inputs; every row is complete.

        Returns:
            The losses (S,), and (S,) bool: True where a clip is active.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClippedLoss(PolicyLoss):
    """Base of the losses that clip a ratio ρ to [1 - ε_low, 1 + ε_high].

    Attributes:
        clip_param: Clip range below 1, ε_low, in (0, 1).
        clip_param_high: Clip range above 1, ε_high > 0; None for the value of clip_param.
    """

    clip_param: float = 0.2
    clip_param_high: float | None = None

    def __post_init__(self) -> None:
        """Reject bounds out of range."""
        if not 0.0 < self.clip_param < 1.0:
            raise ValueError(
                f"clip_param={self.clip_param!r} must be in (0, 1), because the ratio's lower bound"
                " is 1 - clip_param; clip_param_high may be larger"
            )
        self._check_high()

    def _check_high(self) -> None:
        if self.clip_param_high is not None and self.clip_param_high <= 0:
            raise ValueError(
                f"clip_param_high={self.clip_param_high!r} must be above 0, or None for clip_param"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """1 - ε_low and 1 + ε_high."""
        high = self.clip_param if self.clip_param_high is None else self.clip_param_high
        return 1.0 - self.clip_param, 1.0 + high

    def clipped(
        self, log_ratio: torch.Tensor, advantages: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return PPO's clipped losses max(-ρA, -clip(ρ)·A), and where the clip is active: (S,)."""
        ratio = log_ratio.exp()
        unclipped = -ratio * advantages
        clipped = -ratio.clamp(*self.bounds) * advantages
        return torch.maximum(unclipped, clipped), (clipped > unclipped).detach()


@dataclass(frozen=True, slots=True)
class FunctionLoss(PolicyLoss):
    """A policy loss made of a plain function.

    Attributes:
        function: ``(logp, columns) -> losses``, each (S,); it may also return a pair of the losses
            and where a clip is active, as `PolicyLoss` does.
    """

    name: ClassVar[str] = "function"

    function: Callable[[torch.Tensor, TokenColumns], Any]

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Call the function; see the base class."""
        result = self.function(logp, columns)
        if isinstance(result, tuple):
            return result
        return result, torch.zeros_like(result, dtype=torch.bool)
