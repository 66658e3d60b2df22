"""`UpdateGuard`: ends a run whose updates do nothing, or whose log-probs cannot be trusted."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, Self

from rllib_gigpo.engines import ENGINES
from rllib_gigpo.errors import UpdateError

logger = logging.getLogger(__name__)

# In float32, engine and Learner agree to 5.9e-5 at worst over 2,772 iterations (docs/design.md).
FLOAT32_LIMIT = 1e-4
# In bfloat16 single tokens differ by tens of per cent; twice the probability is a fault.
BFLOAT16_LIMIT = 1.0

_RATIO_CAUSES = (
    "Usual causes: the engine and the Learner run different weights or numerics (dtype, attention,"
    " position scaling, engine_kwargs); a part of the model is not in evaluation mode, such as"
    " dropout; text or tokens changed between the engine and the loss."
)
_SKIP_CAUSES = (
    "Usual causes: NaN or infinity in a weight of the model; lr or clip_param is too high; rewards"
    " or your own advantages that are not finite."
)


class UpdateGuard:
    """Watches the metrics of a run's updates; `check` sees each update once."""

    def __init__(self, *, max_skipped_updates: int, ratio_limit: float, strict_ratio: bool) -> None:
        """Start without skipped updates.

        Args:
            max_skipped_updates: Updates in a row without a finite step that end the run.
            ratio_limit: Largest |ρ - 1| that is accepted on fresh rows.
            strict_ratio: Whether a larger one ends the run; otherwise the first one warns.
        """
        self._max_skipped_updates = max_skipped_updates
        self._ratio_limit = ratio_limit
        self._strict_ratio = strict_ratio
        self._num_skipped = 0
        self._has_warned = False

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Build the guard of a run; the limit and the default depend on dtype and device.

        Of a custom engine neither is known, so by default it only warns.
        """
        settings = config.settings
        model, engine_dtype = settings.model, settings.inference.engine_dtype
        is_float32 = {model.dtype, model.autocast_dtype, engine_dtype} <= {"float32", None}
        has_gpu = config.num_gpus_per_learner > 0 or config.num_gpus_per_env_runner > 0
        is_exact = is_float32 and not has_gpu and settings.inference.engine in ENGINES
        strict = settings.loss.strict_ratio
        return cls(
            max_skipped_updates=settings.optimizer.max_skipped_updates,
            ratio_limit=FLOAT32_LIMIT if is_float32 else BFLOAT16_LIMIT,
            strict_ratio=is_exact if strict is None else strict,
        )

    def check(self, metrics: Mapping[str, float], *, iteration: int) -> str | None:
        """Check an update.

        Args:
            metrics: A Learner's metrics; absent and NaN values were not computed.
            iteration: The number of the iteration, for the messages.

        Returns:
            A warning, the first time that there is one.

        Raises:
            UpdateError: The run should end; the message names the usual causes.
        """
        self._count_skips(metrics, iteration)
        deviation = metrics.get("max_ratio_deviation_fresh", math.nan)
        # A difference that is not finite skips the step, which is counted above.
        is_measured = math.isfinite(metrics.get("max_abs_logp_diff", math.nan))
        if not is_measured or not deviation > self._ratio_limit:
            return None
        text = (
            f"Iteration {iteration}: on fresh rows the ratio of the Learner's probabilities to the"
            f" engine's should be 1, but is off by {deviation:.2g} (max_ratio_deviation_fresh;"
            f" limit {self._ratio_limit:g}). {_RATIO_CAUSES}"
        )
        if self._strict_ratio:
            raise UpdateError(f"{text} To train in spite of it, set strict_ratio=False.")
        if self._has_warned:
            return None
        self._has_warned = True
        logger.warning(text)
        return text

    def _count_skips(self, metrics: Mapping[str, float], iteration: int) -> None:
        """Count an update whose steps were all skipped; a taken step starts the count again."""
        if metrics.get("num_steps", 0.0) > 0:
            self._num_skipped = 0
        elif metrics.get("num_skipped_steps", 0.0) > 0:
            self._num_skipped += 1
        if self._num_skipped < self._max_skipped_updates:
            return
        of_logp = "the log-probs of the engine or the Learner"
        is_logp = math.isinf(metrics.get("max_abs_logp_diff", 0.0))
        what = of_logp if is_logp else "the loss or the gradients"
        raise UpdateError(
            f"Iteration {iteration}: {what} are NaN or infinite, so every optimiser step of the"
            f" last {self._num_skipped} iterations was skipped (max_skipped_updates="
            f"{self._max_skipped_updates}) and the model no longer learns. {_SKIP_CAUSES} Fix the"
            " cause, and start again from a checkpoint that is older than it."
        )
