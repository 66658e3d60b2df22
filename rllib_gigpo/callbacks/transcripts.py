"""Writes whole episodes as JSONL: what the agent saw, said and did, and the credit that it got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import columns

TRANSCRIPT_FOLDER = "transcripts"
_CREDIT_COLUMNS = (
    columns.REWARDS,
    columns.PENALTIES,
    columns.EPISODE_RETURNS,
    columns.STEP_RETURNS,
    columns.EPISODE_ADVANTAGES,
    columns.STEP_ADVANTAGES,
    columns.ADVANTAGES,
)


class TranscriptWriter(RLlibCallback):
    """Every ``transcript_interval`` iterations, the batch's first ``transcript_groups`` groups.

    One file per iteration in ``<logdir>/transcripts``, one line per step.
    """

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **kwargs: Any) -> None:
        """Write this iteration's file, if it is one of those to be written."""
        iteration, interval = result["training_iteration"], algorithm.config.transcript_interval
        if interval == 0 or (iteration - 1) % interval or not algorithm.last_batch:
            return
        folder = Path(algorithm.logdir) / TRANSCRIPT_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"iteration_{iteration:06d}.jsonl"
        num_groups = algorithm.config.transcript_groups
        with path.open("w", encoding="utf-8") as file:
            for line in transcript_lines(algorithm.last_batch, num_groups=num_groups):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def transcript_lines(batch: dict[str, Any], *, num_groups: int) -> Iterator[dict[str, Any]]:
    """One record per step of the first ``num_groups`` groups.

    Args:
        batch: What the credit pipeline returned, with the episodes that it read.
        num_groups: How many groups to write.
    """
    group_sizes = _sizes_by_label(batch[columns.ANCHOR_GROUP_IDS])
    written = sorted({e.custom_data[columns.GROUP_ID] for e in batch["episodes"]})[:num_groups]
    row = 0
    for episode in batch["episodes"]:
        for step in range(len(episode)):
            if episode.custom_data[columns.GROUP_ID] in written:
                yield {
                    **_what_happened(episode, step),
                    **_what_it_was_worth(batch, row, group_sizes),
                }
            row += 1


def _what_happened(episode: Any, step: int) -> dict[str, Any]:
    outputs = {key: buffer[step] for key, buffer in episode.extra_model_outputs.items()}
    return {
        "task_seed": episode.custom_data[columns.TASK],
        "group_id": episode.custom_data[columns.GROUP_ID],
        "member": episode.custom_data[columns.MEMBER],
        "step": step,
        "prompt": outputs[columns.PROMPT_TEXT],
        "prompt_token_ids": list(outputs[columns.PROMPT_TOKEN_IDS]),
        "prompt_cut": bool(outputs[columns.PROMPT_CUT]),
        "response": outputs[columns.RESPONSE_TEXT],
        "response_token_ids": list(outputs[columns.RESPONSE_TOKEN_IDS]),
        "rollout_logp": [float(logp) for logp in outputs[columns.ROLLOUT_LOGP]],
        "finish_reason": outputs[columns.FINISH_REASON],
        "weight_version": outputs[columns.WEIGHT_VERSION],
        "action": outputs[columns.ACTION_TEXT],
        "is_format_valid": bool(outputs[columns.IS_FORMAT_VALID]),
        "is_admissible": bool(outputs[columns.IS_ADMISSIBLE]),
        "is_last": step == len(episode) - 1,
        "is_terminated": bool(episode.is_terminated and step == len(episode) - 1),
    }


def _what_it_was_worth(
    batch: dict[str, Any], row: int, group_sizes: dict[int, int]
) -> dict[str, Any]:
    numbers = {name: float(batch[name][row]) for name in _CREDIT_COLUMNS}
    return {
        **numbers,
        "anchor": str(batch[columns.ANCHORS][row]),
        "anchor_group_size": group_sizes[int(batch[columns.ANCHOR_GROUP_IDS][row])],
    }


def _sizes_by_label(labels: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
