"""Evaluation: the tasks of a panel, and the metrics of the episodes that play them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError
from rllib_gigpo.panels.panel import Panel, PanelTask
from rllib_gigpo.panels.played_task import PlayedTask, UnplayedTask, check_starts
from rllib_gigpo.panels.summary import summarize
from rllib_gigpo.panels.task_start import started_task
from rllib_gigpo.sampling.rollout_metrics import has_won, rollout_metrics

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


@dataclass(frozen=True, slots=True)
class EvaluationTasks:
    """The fixed evaluation tasks: the same seeds in the same order, with the same decoding.

    Attributes:
        seeds: The seeds of the tasks.
        sampling: How answers are sampled.
        decoding_seeds: Each task is played once with each; None stands for the run's seed.
        max_steps: Longest episode; None for the run's limit.
        panel: The panel that says all this; None for the test tasks of a config.
    """

    seeds: Sequence[int]
    sampling: SamplingSettings
    decoding_seeds: Sequence[int | None] = (None,)
    max_steps: int | None = None
    panel: Panel | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Build the tasks of a run's evaluation: those of its panel, or else its test tasks."""
        tasks, max_tokens = settings.tasks, settings.model.max_response_tokens
        if tasks.panel is not None:
            return cls.of_panel(tasks.panel, max_tokens=max_tokens)
        chosen = settings.inference.eval_sampling
        first = tasks.first_test_task
        return cls(
            range(first, first + tasks.num_test_tasks),
            SamplingSettings(
                temperature=chosen.temperature,
                top_p=chosen.top_p,
                top_k=chosen.top_k,
                max_tokens=max_tokens,
            ),
        )

    @classmethod
    def of_panel(cls, panel: Panel, *, max_tokens: int) -> Self:
        """Build the tasks of a panel, with answers of at most ``max_tokens`` tokens."""
        decoding = panel.decoding
        return cls(
            [task.seed for task in panel.tasks],
            SamplingSettings(
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                top_k=decoding.top_k,
                max_tokens=max_tokens,
            ),
            decoding.seeds,
            panel.max_episode_steps,
            panel,
        )

    def group_tasks(self) -> Sequence[GroupTask]:
        """Return one group of a single episode for each task and decoding seed."""
        return [
            GroupTask(
                f"test-{index}" if decoding_seed is None else f"test-{decoding_seed}-{index}",
                seed,
                1,
                self.sampling,
                is_training=False,
                decoding_seed=decoding_seed,
                max_steps=self.max_steps,
            )
            for decoding_seed in self.decoding_seeds
            for index, seed in enumerate(self.seeds)
        ]


def evaluation_metrics(
    result: SampleResult, tasks: EvaluationTasks | None = None
) -> dict[str, Any]:
    """Compute `rollout_metrics` of the test episodes, and `summarize` of their success.

    Args:
        result: The episodes.
        tasks: What they played; the starts of a panel are checked.

    Raises:
        EngineError: All answers have log-probs that are not finite, so they mean nothing.
        PanelError: A task did not start as the panel says.
    """
    logps = [record.rollout_logp for record in step_records(result.episodes)]
    if logps and not any(np.isfinite(logp).all() for logp in logps):
        raise EngineError(
            f"The log-probs of all {len(logps)} answers are NaN or infinite, so the answers mean"
            " nothing. A weight of the model is probably NaN or infinite; use another checkpoint."
        )
    metrics = {**rollout_metrics(result), **summarize(played_tasks(result))}
    if tasks is None or tasks.panel is None:
        return metrics
    check_starts(tasks.panel, started_tasks(result))
    return {**metrics, "panel": tasks.panel.label}


def played_tasks(result: SampleResult) -> list[PlayedTask]:
    """Describe the episodes of an evaluation; without a panel, the decoding seed is 0."""
    return [
        _played_task(group.task, episode) for group in result.groups for episode in group.episodes
    ]


def _played_task(task: GroupTask, episode: Any) -> PlayedTask:
    records = step_records([episode])
    return PlayedTask(
        task=task.seed,
        decoding_seed=task.decoding_seed or 0,
        won=has_won(episode),
        episode_return=float(episode.get_return()),
        num_steps=len(episode),
        valid_rate=float(np.mean([one.is_format_valid for one in records])),
        cut_rate=float(np.mean([one.is_prompt_cut for one in records])),
        tags=tuple(map(str, episode.get_infos(0).get("tags", ()))),
    )


def unplayed_tasks(result: SampleResult) -> list[UnplayedTask]:
    """Describe the episodes that could not be played, each with its last fault."""
    played = {group.task.group_id for group in result.groups}
    lost = {one.task.group_id: one for one in result.lost if one.task.group_id not in played}
    return [
        UnplayedTask(
            task=one.task.seed,
            decoding_seed=one.task.decoding_seed or 0,
            reason=f"{one.kind}: {one.message}",
        )
        for one in lost.values()
    ]


def started_tasks(result: SampleResult) -> list[PanelTask]:
    """Describe how the task of each episode started."""
    return [
        started_task(
            episode.custom_data[columns.TASK], episode.get_observations(0), episode.get_infos(0)
        )
        for episode in result.episodes
    ]


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
