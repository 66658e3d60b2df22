"""Returns and anchor groups -> advantages, by the estimator of the config."""

from __future__ import annotations

import time
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.advantages import clip, whiten
from rllib_gigpo.credit.anchor_metrics import advantage_metrics
from rllib_gigpo.credit.estimators import Estimator, make_estimator, settings_from


class EstimateAdvantages(ConnectorV2):
    """Writes EPISODE_ADVANTAGES, STEP_ADVANTAGES, ADVANTAGES (eq. 8), maybe VALUE_TARGETS."""

    def __init__(
        self,
        estimator: Estimator,
        *,
        whiten_advantages: bool,
        advantage_clip: float | None,
        **kwargs: Any,
    ) -> None:
        """Choose the rule, and what is done to its result: whitening first, then the clip."""
        super().__init__(**kwargs)
        self._estimator = estimator
        self._whiten = whiten_advantages
        self._clip = advantage_clip

    @classmethod
    def from_config(cls, config: Any) -> EstimateAdvantages:
        """Fill the estimator's settings from the config's attributes of the same names."""
        return cls(
            make_estimator(config.estimator, settings_from(config, config.estimator)),
            whiten_advantages=config.whiten_advantages,
            advantage_clip=config.advantage_clip,
        )

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Estimate over the whole batch."""
        start = time.perf_counter()
        advantages = self._estimator(batch)
        total = advantages.total
        if self._whiten:
            total = whiten(total, batch[columns.RESPONSE_LENGTHS])
        batch[columns.EPISODE_ADVANTAGES] = advantages.episode
        batch[columns.STEP_ADVANTAGES] = advantages.step
        batch[columns.ADVANTAGES] = clip(total, self._clip)
        if advantages.value_targets is not None:
            batch[columns.VALUE_TARGETS] = advantages.value_targets
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics.update(advantage_metrics(advantages))
        metrics["advantages_s"] = time.perf_counter() - start
        return batch
