"""Policy losses as a user writes them: a class with an option, and a plain function."""

from dataclasses import dataclass

import torch

from rllib_gigpo.loss.policy import PolicyLoss


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforce(PolicyLoss):
    name = "reinforce"

    scale: float = 1.0

    def __call__(self, logp, columns):
        loss = -self.scale * columns.advantages * logp
        return loss, torch.zeros_like(loss, dtype=torch.bool)


def reinforce(logp, columns):
    return -columns.advantages * logp
