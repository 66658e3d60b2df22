"""Returns and anchor groups -> advantages, by the credit rule of the config."""

from __future__ import annotations

import time
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.advantages import AdvantageScaling, expand_to_tokens
from rllib_gigpo.credit.anchor_metrics import advantage_metrics
from rllib_gigpo.credit.rules import CreditRule


class ComputeAdvantages(ConnectorV2):
    """Connector that applies the credit rule.

    Writes EPISODE_ADVANTAGES, STEP_ADVANTAGES, ADVANTAGES (eq. 8) and, with a critic,
    VALUE_TARGETS.
    """

    def __init__(self, rule: CreditRule, scaling: AdvantageScaling, **kwargs: Any) -> None:
        """Store the rule, and the scaling of its result."""
        super().__init__(**kwargs)
        self._rule = rule
        self._scaling = scaling

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compute the advantages of the whole batch."""
        start = time.perf_counter()
        advantages = self._rule(batch)
        tokens = expand_to_tokens(
            advantages.total, advantages.tokens, batch[columns.RESPONSE_LENGTHS]
        )
        batch[columns.EPISODE_ADVANTAGES] = advantages.episode
        batch[columns.STEP_ADVANTAGES] = advantages.step
        batch[columns.ADVANTAGES] = self._scaling(tokens)
        if advantages.value_targets is not None:
            batch[columns.VALUE_TARGETS] = advantages.value_targets
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics.update(advantage_metrics(advantages))
        metrics["advantages_s"] = time.perf_counter() - start
        return batch
