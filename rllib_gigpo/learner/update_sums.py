"""What an update adds up for its metrics: exact sums and counts over mini-batches and Learners."""

from dataclasses import dataclass, field

import torch

from rllib_gigpo.loss.objective import METRIC_NAMES


@dataclass(slots=True)
class UpdateSums:
    """Running sums of one update; the same on every Learner, because they are added after reducing.

    Attributes:
        sums: By metric name, over all response tokens of the steps taken.
        fresh_sums: The same of the first step, whose tokens the weights that sampled have scored.
        losses: One per step taken.
        grad_norms: Before clipping, one per step taken.
        num_skipped: Steps skipped because loss or gradient was not finite.
        fresh_deviation: This Learner's max |ρ - 1| before the first step.
        fresh_logp_diff: This Learner's max |rollout_logp - logp| before the first step.
        max_deviation: This Learner's max |ρ - 1|.
    """

    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRIC_NAMES, 0.0))
    fresh_sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRIC_NAMES, 0.0))
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    num_skipped: int = 0
    fresh_deviation: float = 0.0
    fresh_logp_diff: float = 0.0
    max_deviation: float = 0.0

    def add_step(self, sums: torch.Tensor, *, loss: float, grad_norm: float) -> None:
        """Add a step that was taken."""
        of_step = dict(zip(METRIC_NAMES, sums.tolist(), strict=True))
        if not self.losses:
            self.fresh_sums = of_step
        for name, value in of_step.items():
            self.sums[name] += value
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)

    def add_deviation(self, deviation: float, *, logp_diff: float) -> None:
        """Add a mini-batch's max |ρ - 1| and max |rollout_logp - logp|; NaN counts as infinite."""
        deviation, logp_diff = (
            value if value == value else float("inf") for value in (deviation, logp_diff)
        )
        self.max_deviation = max(self.max_deviation, deviation)
        if not self.losses:
            self.fresh_deviation = max(self.fresh_deviation, deviation)
            self.fresh_logp_diff = max(self.fresh_logp_diff, logp_diff)

    def results(self) -> dict[str, float]:
        """Return the metrics: sums divided by the number of tokens, losses by that of the steps.

        What tells the engine from the Learner is of the first step alone.
        """
        num_tokens = self.sums["num_tokens"]
        num_steps = len(self.losses)
        per_token = {
            **_per_token(self.sums),
            "rollout_kl": _per_token(self.fresh_sums)["rollout_kl"],
        }
        return {
            **per_token,
            "num_response_tokens": num_tokens,
            "total_loss": sum(self.losses) / num_steps if num_steps else 0.0,
            "grad_norm": sum(self.grad_norms) / num_steps if num_steps else 0.0,
            "num_steps": float(num_steps),
            "num_skipped_steps": float(self.num_skipped),
            "max_ratio_deviation_fresh": self.fresh_deviation,
            "max_ratio_deviation": self.max_deviation,
            "max_abs_logp_diff": self.fresh_logp_diff,
        }


def _per_token(sums: dict[str, float]) -> dict[str, float]:
    num_tokens = sums["num_tokens"]
    return {
        name: value / num_tokens if num_tokens else 0.0
        for name, value in sums.items()
        if name != "num_tokens"
    }
