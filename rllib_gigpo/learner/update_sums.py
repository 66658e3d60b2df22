"""What an update adds up for its metrics: exact sums and counts over mini-batches and Learners."""

from dataclasses import dataclass, field

import torch
import torch.distributed

from rllib_gigpo.loss.objective import METRIC_NAMES


@dataclass(slots=True)
class UpdateSums:
    """Running sums of one update; the same on every Learner, because they are added after reducing.

    Attributes:
        sums: By metric name, over all response tokens of the steps taken.
        losses: One per step taken.
        grad_norms: Before clipping, one per step taken.
        num_skipped: Steps skipped because loss or gradient was not finite.
        fresh_deviation: This Learner's max |ρ - 1| before the first step.
        max_deviation: This Learner's max |ρ - 1|.
    """

    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRIC_NAMES, 0.0))
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    num_skipped: int = 0
    fresh_deviation: float = 0.0
    max_deviation: float = 0.0

    def add_step(self, sums: torch.Tensor, *, loss: float, grad_norm: float) -> None:
        """Add a step that was taken."""
        for name, value in zip(METRIC_NAMES, sums.tolist(), strict=True):
            self.sums[name] += value
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)

    def add_deviation(self, deviation: float) -> None:
        """Add a mini-batch's max |ρ - 1|; NaN counts as infinite."""
        value = deviation if deviation == deviation else float("inf")
        self.max_deviation = max(self.max_deviation, value)
        if not self.losses:
            self.fresh_deviation = max(self.fresh_deviation, value)

    def results(self) -> dict[str, float]:
        """Return the metrics: sums divided by the number of tokens, losses by that of the steps."""
        num_tokens = self.sums["num_tokens"]
        num_steps = len(self.losses)
        per_token = {
            name: value / num_tokens if num_tokens else 0.0
            for name, value in self.sums.items()
            if name != "num_tokens"
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
        }


def reduce_over_learners(
    tensor: torch.Tensor, *, is_distributed: bool, maximum: bool = False
) -> None:
    """Sum, or take the maximum, over the Learners, in place.

    Args:
        tensor: On the Learner's device.
        is_distributed: From the config: vLLM makes a process group too, in the driver's process.
        maximum: Whether to take the maximum.
    """
    if is_distributed:
        operation = torch.distributed.ReduceOp.MAX if maximum else torch.distributed.ReduceOp.SUM
        torch.distributed.all_reduce(tensor, op=operation)
