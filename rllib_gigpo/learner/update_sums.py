"""The sums behind an update's metrics: exact, over mini-batches and Learners."""

from dataclasses import dataclass, field

import torch

from rllib_gigpo.loss.objective import METRIC_NAMES


@dataclass(slots=True)
class UpdateSums:
    """Running sums of one update, equal on every Learner because they add reduced values.

    Attributes:
        sums: By metric name, over all response tokens of the steps taken.
        fresh_sums: The same for the first step, scored with the weights that sampled its tokens.
        losses: One loss per step taken.
        grad_norms: One norm before clipping per step taken.
        num_skipped: Number of steps skipped because the loss or a gradient was not finite.
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
        """Add a taken step."""
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
        """Return the metrics: means over tokens, and means over steps of loss and gradient norm.

        Metrics that compare the engine with the Learner cover only the first step.
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
