"""Transcripts: whole episodes as JSON lines, with prompts, responses, actions and credit."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import columns
from rllib_gigpo.batch.own_rows import OwnRows, is_fork
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tokenizer import open_tokenizer
from rllib_gigpo.reports.observed_image import base64_png, observed_image
from rllib_gigpo.reports.results import WARNINGS, transcript_file, transcript_files
from rllib_gigpo.reports.token_texts import TokenTexts
from rllib_gigpo.reports.transcript_settings import TranscriptSettings
from rllib_gigpo.sampling.rollout_metrics import has_won

_CREDIT_COLUMNS = (
    columns.REWARDS,
    columns.PENALTIES,
    columns.EPISODE_RETURNS,
    columns.STEP_RETURNS,
    columns.EPISODE_ADVANTAGES,
    columns.STEP_ADVANTAGES,
)


class TranscriptWriter(RLlibCallback):
    """A callback that writes a batch's groups every few iterations; see `TranscriptSettings`.

    Each iteration that is written has one file in the folder ``transcripts`` of the run, compressed
    by gzip, with one line per step. `rllib view` shows them.
    """

    def __init__(
        self, settings: TranscriptSettings | None = None, *, model_path: str | None = None
    ) -> None:
        """Store the settings, or the defaults.

        Args:
            settings: How much to write.
            model_path: The model's folder, whose tokenizer tells the texts of single tokens; with
                None the lines lack them.
        """
        self._settings = settings or TranscriptSettings()
        self._model_path = model_path

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **kwargs: Any) -> None:
        """Write this iteration's file, if one is due."""
        iteration, interval = result["training_iteration"], self._settings.interval
        if interval == 0 or (iteration - 1) % interval or not algorithm.last_batch:
            return
        run_folder = _run_folder(algorithm)
        path = transcript_file(run_folder, iteration)
        lines = transcript_lines(algorithm.last_batch, num_groups=self._settings.groups)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            num_left_out = self._write(path, lines)
            _thin_out(run_folder, self._settings.max_mb * 1e6)
        except OSError as error:  # a transcript never ends a run
            with contextlib.suppress(OSError):
                path.unlink()
            _warn(
                result,
                f"no transcript of iteration {iteration}: {error.strerror} ({disk_state(path)})",
            )
        else:
            if num_left_out:
                _warn(
                    result,
                    f"{num_left_out} groups are not in the transcript of iteration {iteration}:"
                    f" max_mb={self._settings.max_mb:g} is reached",
                )

    def _write(self, path: Path, lines: Iterable[dict[str, Any]]) -> int:
        """Write whole groups up to half of the bound; return how many were left out."""
        num_left_out = 0
        with (
            path.open("wb") as raw,
            gzip.open(raw, "wt", encoding="utf-8", errors="replace") as file,
        ):
            for _, group in itertools.groupby(lines, key=itemgetter("group_id")):
                if raw.tell() >= self._settings.max_mb * 1e6 / 2:
                    num_left_out += 1
                    continue
                for line in group:
                    json.dump(self._with_tokens(line), file, ensure_ascii=False)
                    file.write("\n")
                file.flush()
        return num_left_out

    def _with_tokens(self, line: dict[str, Any]) -> dict[str, Any]:
        if self._token_texts is not None:
            line["response_tokens"] = self._token_texts(line["response_token_ids"])
        return line

    @cached_property
    def _token_texts(self) -> TokenTexts | None:
        if self._model_path is None:
            return None
        with contextlib.suppress(ConfigError):  # the folder has been deleted since the start
            return TokenTexts(open_tokenizer(self._model_path))
        return None


def _run_folder(algorithm: Any) -> Path:
    """Return the folder of the trial on a local disk; if it is elsewhere, the one that Tune copies.

    Tune copies ``logdir`` every few minutes, and deletes nothing in the copy.
    """
    storage = algorithm._storage
    if storage is not None and storage.storage_filesystem.type_name == "local":
        return Path(storage.trial_fs_path)
    return Path(algorithm.logdir)


def _thin_out(run_folder: Path, max_bytes: float) -> None:
    """Delete files until the rest is small enough; the first and the last stay.

    The next one to go is the one whose neighbours are closest, so that the rest is spread evenly.
    """
    files = list(transcript_files(run_folder).items())
    sizes = {file: file.stat().st_size for _, file in files}
    while len(files) > 2 and sum(sizes[file] for _, file in files) > max_bytes:
        gaps = [after - before for (before, _), (after, _) in zip(files, files[2:], strict=False)]
        _, file = files.pop(1 + gaps.index(min(gaps)))
        file.unlink()


def _warn(result: dict[str, Any], text: str) -> None:
    result.setdefault(WARNINGS, {})["transcripts"] = text


def transcript_lines(
    batch: dict[str, Any], *, num_groups: int | Literal["all"]
) -> Iterator[dict[str, Any]]:
    """Yield one record per step of the first ``num_groups`` groups, group after group.

    Args:
        batch: Output of the credit pipeline, with the episodes that it read.
        num_groups: Number of groups.
    """
    group_sizes = _sizes_by_label(OwnRows.of(batch).rows(batch[columns.ANCHOR_GROUP_IDS]))
    groups = sorted({e.custom_data[columns.GROUP_ID] for e in batch["episodes"]})
    ends = np.cumsum(batch[columns.RESPONSE_LENGTHS]).tolist()
    first_rows = np.cumsum([0, *(len(episode) for episode in batch["episodes"])]).tolist()
    for group in groups if num_groups == "all" else groups[:num_groups]:
        for first_row, episode in zip(first_rows, batch["episodes"], strict=False):
            if episode.custom_data[columns.GROUP_ID] != group:
                continue
            for step, record in enumerate(step_records([episode])):
                row = first_row + step
                tokens = slice(ends[row] - len(record.response_token_ids), ends[row])
                yield {
                    **_what_happened(episode, step, record),
                    **_what_it_was_worth(batch, row, tokens, group_sizes),
                }


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
        "rollout_logp": [
            float(logp) if math.isfinite(logp) else None for logp in record.rollout_logp
        ],
        "finish_reason": record.finish_reason,
        "weight_version": record.policy_version,
        "action": record.action_text,
        "is_format_valid": record.is_format_valid,
        "is_admissible": record.is_admissible,
        "is_last": step == len(episode) - 1,
        "is_terminated": bool(episode.is_terminated and step == len(episode) - 1),
        "is_won": has_won(episode),
        "tags": [str(tag) for tag in episode.get_infos(0).get("tags", ())],
        "env_reward": record.reward,
        **({"role": record.role} if record.role else {}),
        **_forked(episode, record),
        **_pictures(episode.get_observations(step), record),
    }


def _forked(episode: Any, record: StepRecord) -> dict[str, Any]:
    """Return where a fork leaves another episode, and whether it repeated the step."""
    if not is_fork(episode):
        return {}
    member, step = episode.custom_data[columns.FORK]
    return {"forked_from": member, "forked_at": step, "is_replayed": record.is_replayed}


def _pictures(observation: Any, record: StepRecord) -> dict[str, Any]:
    """Return the observation's picture, and all of the prompt's if it shows more than one."""
    image = observed_image(observation)
    if image is None and record.images:
        image = base64_png(record.images[-1].image.pixels)
    pictures = {} if image is None else {"image": image}
    if len(record.images) < 2:
        return pictures
    return {**pictures, "images": [base64_png(place.image.pixels) for place in record.images]}


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
        "anchor_group": int(batch[columns.ANCHOR_GROUP_IDS][row]),
        "anchor_group_size": group_sizes.get(int(batch[columns.ANCHOR_GROUP_IDS][row]), 0),
    }


def _sizes_by_label(labels: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
