"""Implicit rewards -> how well they rank episodes, and the gradient that improves them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.pair_loss import pair_loss


class PairEpisodes(ConnectorV2):
    """Connector that writes PAIR_GRADIENTS, by which the Learners train the process reward model.

    It reads IMPLICIT_REWARDS and WON. With r = β·(Σ log π_PRM - Σ log π) for the response tokens of
    a row, the loss has the derivative β·∂L/∂r by Σ log π_PRM.
    """

    def __init__(self, beta: float, **kwargs: Any) -> None:
        """Store β of the implicit rewards."""
        super().__init__(**kwargs)
        self._beta = beta

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compare the episodes of each task, and report how they were ranked."""
        rewards, won = batch[columns.IMPLICIT_REWARDS], batch[columns.WON]
        labels = batch[columns.GROUP_IDS], batch[columns.TRAJECTORY_IDS]
        found = pair_loss(rewards, *labels, won)
        batch[columns.PAIR_GRADIENTS] = self._beta * found.gradients
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["num_pairs"] = float(found.num_pairs)
        if found.num_pairs:
            metrics |= {"pair_loss": found.loss, "pair_accuracy": found.accuracy}
        for name, chosen in (("successes", won), ("failures", ~won)):
            if np.any(chosen):
                metrics[f"implicit_reward_of_{name}"] = float(rewards[chosen].mean())
        return batch
