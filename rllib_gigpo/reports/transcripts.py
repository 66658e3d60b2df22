"""Transcripts: whole episodes as JSONL, with prompts, responses, actions and credit."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.options.records import Options, require
from rllib_gigpo.reports.results import WARNINGS

TRANSCRIPT_FOLDER = "transcripts"
_CREDIT_COLUMNS = (
    columns.REWARDS,
    columns.PENALTIES,
    columns.EPISODE_RETURNS,
    columns.STEP_RETURNS,
    columns.EPISODE_ADVANTAGES,
    columns.STEP_ADVANTAGES,
)


@dataclass(frozen=True, slots=True)
class TranscriptSettings(Options):
    """How often to write whole episodes, and how many.

    Attributes:
        interval: Number of iterations from one file to the next; 0 for no files.
        groups: Number of groups per file, at least 1.
    """

    interval: int = 10
    groups: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require(self, interval=">= 0", groups=">= 1")


class TranscriptWriter(RLlibCallback):
    """A callback that writes a batch's first groups every few iterations; see `TranscriptSettings`.

    Each iteration that is written has one file in ``<logdir>/transcripts``, with one line per step.
    """

    def __init__(self, settings: TranscriptSettings | None = None) -> None:
        """Store the settings, or the defaults."""
        self._settings = settings or TranscriptSettings()

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **kwargs: Any) -> None:
        """Write this iteration's file, if one is due."""
        iteration, interval = result["training_iteration"], self._settings.interval
        if interval == 0 or (iteration - 1) % interval or not algorithm.last_batch:
            return
        path = Path(algorithm.logdir) / TRANSCRIPT_FOLDER / f"iteration_{iteration:06d}.jsonl"
        lines = transcript_lines(algorithm.last_batch, num_groups=self._settings.groups)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        except OSError as error:  # a transcript never ends a run
            with contextlib.suppress(OSError):
                path.unlink()
            result.setdefault(WARNINGS, {})["transcripts"] = (
                f"no transcript of iteration {iteration}: {error.strerror} ({disk_state(path)})"
            )


def transcript_lines(batch: dict[str, Any], *, num_groups: int) -> Iterator[dict[str, Any]]:
    """Yield one record per step of the first ``num_groups`` groups.

    Args:
        batch: Output of the credit pipeline, with the episodes that it read.
        num_groups: Number of groups.
    """
    group_sizes = _sizes_by_label(batch[columns.ANCHOR_GROUP_IDS])
    written = sorted({e.custom_data[columns.GROUP_ID] for e in batch["episodes"]})[:num_groups]
    ends = np.cumsum(batch[columns.RESPONSE_LENGTHS]).tolist()
    row = 0
    for episode in batch["episodes"]:
        for step, record in enumerate(step_records([episode])):
            if episode.custom_data[columns.GROUP_ID] in written:
                tokens = slice(ends[row] - len(record.response_token_ids), ends[row])
                yield {
                    **_what_happened(episode, step, record),
                    **_what_it_was_worth(batch, row, tokens, group_sizes),
                }
            row += 1


def _what_happened(episode: Any, step: int, record: StepRecord) -> dict[str, Any]:
    return {
        "task_seed": episode.custom_data[columns.TASK],
        "group_id": episode.custom_data[columns.GROUP_ID],
        "member": episode.custom_data[columns.MEMBER],
        "step": step,
        "prompt": record.prompt_text,
        "prompt_token_ids": list(record.prompt_token_ids),
        "prompt_cut": record.is_prompt_cut,
        "response": record.response_text,
        "response_token_ids": list(record.response_token_ids),
        "rollout_logp": [float(logp) for logp in record.rollout_logp],
        "finish_reason": record.finish_reason,
        "weight_version": record.policy_version,
        "action": record.action_text,
        "is_format_valid": record.is_format_valid,
        "is_admissible": record.is_admissible,
        "is_last": step == len(episode) - 1,
        "is_terminated": bool(episode.is_terminated and step == len(episode) - 1),
    }


def _what_it_was_worth(
    batch: dict[str, Any], row: int, tokens: slice, group_sizes: dict[int, int]
) -> dict[str, Any]:
    """Return the credit of a step; its advantage is the mean over its response tokens."""
    numbers = {name: float(batch[name][row]) for name in _CREDIT_COLUMNS}
    advantages = batch[columns.ADVANTAGES][tokens]
    return {
        **numbers,
        "advantages": float(advantages.mean()) if advantages.size else 0.0,
        "anchor": str(batch[columns.ANCHORS][row]),
        "anchor_group_size": group_sizes[int(batch[columns.ANCHOR_GROUP_IDS][row])],
    }


def _sizes_by_label(labels: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
