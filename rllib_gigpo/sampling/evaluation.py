"""Evaluation: the fixed test tasks, and the metrics of the episodes that play them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError
from rllib_gigpo.sampling.rollout_metrics import has_won, rollout_metrics, wilson_interval

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


@dataclass(frozen=True, slots=True)
class EvaluationTasks:
    """The fixed evaluation tasks: the same seeds in the same order, one episode each."""

    first_task: int
    num_tasks: int
    sampling: SamplingSettings

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Build the test tasks and their sampling settings from a run's settings."""
        sampling = settings.inference.eval_sampling
        return cls(
            settings.tasks.first_test_task,
            settings.tasks.num_test_tasks,
            SamplingSettings(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_tokens=settings.model.max_response_tokens,
            ),
        )

    def group_tasks(self) -> Sequence[GroupTask]:
        """Return all tasks."""
        return [
            GroupTask(f"test-{index}", self.first_task + index, 1, self.sampling, is_training=False)
            for index in range(self.num_tasks)
        ]


def evaluation_metrics(result: SampleResult) -> dict[str, Any]:
    """Compute `rollout_metrics` of the test episodes, with a confidence interval for success.

    Raises:
        EngineError: All answers have log-probs that are not finite, so they mean nothing.
    """
    logps = [record.rollout_logp for record in step_records(result.episodes)]
    if logps and not any(np.isfinite(logp).all() for logp in logps):
        raise EngineError(
            f"The log-probs of all {len(logps)} answers are NaN or infinite, so the answers mean"
            " nothing. A weight of the model is probably NaN or infinite; use another checkpoint."
        )
    metrics = rollout_metrics(result)
    num_won = sum(has_won(episode) for episode in result.episodes)
    low, high = wilson_interval(num_won, len(result.episodes))
    return {**metrics, "success_ci_low": low, "success_ci_high": high}


def metrics_of_answer(answer: Any) -> dict[str, Any]:
    """Return the metrics in the answer of a ``custom_evaluation_function``.

    Raises:
        TypeError: The answer is not (metrics, env_steps, agent_steps), as RLlib demands.
    """
    match answer:
        case (dict(metrics), int(), int()):
            return metrics
    raise TypeError(
        f"custom_evaluation_function returned {answer!r:.200}; it must return (metrics, env_steps,"
        " agent_steps): a dict and two whole numbers."
    )
