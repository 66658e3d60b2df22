"""The settings of a critic; without torch, so that a config can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSettings(Options):
    """A critic for rules that read values of states (ppo).

    Attributes:
        name: "head": a linear layer on the policy's trunk; "model": a second model, which starts
            from the same weights.
        lr: Learning rate of its own parameters, at least 0.
        vf_loss_coeff: Weight of its loss, at least 0.
        vf_clip_param: How far a value may move per iteration, in units of returns, above 0; None
            for any.
    """

    short: ClassVar[str | None] = "name"

    name: Literal["head", "model"] = "head"
    lr: float = 1e-5
    vf_loss_coeff: float = 1.0
    vf_clip_param: float | None = 0.5

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require(self, lr=">= 0", vf_loss_coeff=">= 0", vf_clip_param="> 0")
