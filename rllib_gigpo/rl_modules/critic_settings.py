"""The settings of a critic; without torch, so a config can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSettings(Options):
    """Settings of the critic for rules that read state values (ppo, hiper_critic).

    Attributes:
        name: "head": a linear layer on the policy's trunk; "model": a second model that starts from
            the same weights.
        lr: Learning rate of the critic's own parameters, at least 0.
        vf_loss_coeff: Weight of the critic's loss, at least 0.
        vf_clip_param: Bound on the change of a value per iteration, in units of returns, above 0;
            None for no bound.
    """

    short: ClassVar[str | None] = "name"

    name: Literal["head", "model"] = "head"
    lr: float = 1e-5
    vf_loss_coeff: float = 1.0
    vf_clip_param: float | None = 0.5

    def __post_init__(self) -> None:
        """Check that the numbers are in range."""
        require(self, lr=">= 0", vf_loss_coeff=">= 0", vf_clip_param="> 0")
