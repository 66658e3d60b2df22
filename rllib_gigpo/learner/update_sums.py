"""The sums behind an update's metrics: exact, over mini-batches and Learners."""

from dataclasses import dataclass, field

import torch

from rllib_gigpo.loss.objective import METRIC_NAMES

UNMEASURED = -1.0  # a maximum of no values; all measured ones are at least 0


@dataclass(slots=True)
class UpdateSums:
    """Running sums of one update, equal on every Learner because they add reduced values.

    Attributes:
        sums: By metric name, over all response tokens of the steps taken.
        fresh_sums: The same for the first step, scored with the weights that sampled its tokens.
        losses: One loss per step taken.
        grad_norms: One norm before clipping per step taken.
        num_skipped: Number of steps skipped because the loss or a gradient was not finite.
        fresh_deviation: This Learner's max |ρ - 1| before the first step; below 0 if unmeasured.
        fresh_logp_diff: The same of |rollout_logp - logp|.
        max_deviation: This Learner's max |ρ - 1|; below 0 if unmeasured.
    """

    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRIC_NAMES, 0.0))
    fresh_sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRIC_NAMES, 0.0))
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    num_skipped: int = 0
    fresh_deviation: float = UNMEASURED
    fresh_logp_diff: float = UNMEASURED
    max_deviation: float = UNMEASURED

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

        Metrics that compare the engine with the Learner cover only the first step. Metrics that
        were not computed, because no step was taken or no row was fresh, are absent.
        """
        num_steps = len(self.losses)
        maxima = {
            "max_ratio_deviation_fresh": self.fresh_deviation,
            "max_ratio_deviation": self.max_deviation,
            "max_abs_logp_diff": self.fresh_logp_diff,
        }
        return {
            **_per_token(self.sums),
            **_only(_per_token(self.fresh_sums), "rollout_kl"),
            **_mean("total_loss", self.losses),
            **_mean("grad_norm", self.grad_norms),
            **{name: value for name, value in maxima.items() if value > UNMEASURED},
            "num_response_tokens": self.sums["num_tokens"],
            "num_steps": float(num_steps),
            "num_skipped_steps": float(self.num_skipped),
        }


def _per_token(sums: dict[str, float]) -> dict[str, float]:
    """Divide sums by their number of tokens; without tokens there are no means."""
    num_tokens = sums["num_tokens"]
    if not num_tokens:
        return {}
    return {name: value / num_tokens for name, value in sums.items() if name != "num_tokens"}


def _only(values: dict[str, float], name: str) -> dict[str, float]:
    return {name: values[name]} if name in values else {}


def _mean(name: str, values: list[float]) -> dict[str, float]:
    return {name: sum(values) / len(values)} if values else {}
