"""Returns and anchor groups -> advantages, by the credit rule of the config."""

from __future__ import annotations

import time
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.own_rows import OwnRows
from rllib_gigpo.credit.advantages import AdvantageScaling, expand_to_tokens
from rllib_gigpo.credit.anchor_metrics import advantage_metrics
from rllib_gigpo.credit.rules import CreditRule


class ComputeAdvantages(ConnectorV2):
    """Connector that applies the credit rule.

    Writes EPISODE_ADVANTAGES, STEP_ADVANTAGES, ADVANTAGES (eq. 8) and, with a critic,
    VALUE_TARGETS. All are 0 in rows that a fork repeated, which the rule does not see.
    """

    def __init__(self, rule: CreditRule, scaling: AdvantageScaling, **kwargs: Any) -> None:
        """Store the rule, and the scaling of its result."""
        super().__init__(**kwargs)
        self._rule = rule
        self._scaling = scaling

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compute the advantages of the whole batch."""
        start = time.perf_counter()
        own = OwnRows.of(batch)
        chosen = own.columns(batch)
        advantages = self._rule(chosen)
        tokens = expand_to_tokens(
            advantages.total, advantages.tokens, chosen[columns.RESPONSE_LENGTHS]
        )
        batch[columns.EPISODE_ADVANTAGES] = own.with_zeros(advantages.episode)
        batch[columns.STEP_ADVANTAGES] = own.with_zeros(advantages.step)
        batch[columns.ADVANTAGES] = own.tokens_with_zeros(self._scaling(tokens))
        if advantages.value_targets is not None:
            batch[columns.VALUE_TARGETS] = own.with_zeros(advantages.value_targets)
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics.update(advantage_metrics(advantages))
        metrics["advantages_s"] = time.perf_counter() - start
        return batch
