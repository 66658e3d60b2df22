"""TRL's Learner on recorded rows: `GRPOTrainer` with its own loss, optimiser and training loop.

Only the source of the rows is replaced: where TRL would generate, `RowsTrainer` returns the
recorded rows, laid out as TRL lays out its own: prompts padded on the left, answers on the right.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from row_file import RecordedRows, read_rows
from side_report import Clock
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import pad

OLD_LOGP = ("given", "recomputed")


def settings(job: dict[str, Any], **changes: Any) -> GRPOConfig:
    """Return TRL's settings for the job: float32 on the CPU, no KL, TRL's defaults otherwise.

    TRL's defaults include its loss (``dapo``: a mean over the tokens of an optimiser step, as
    ours) and fused AdamW. Its default of gradient checkpointing saves memory and costs time.
    """
    return GRPOConfig(
        **{
            "output_dir": tempfile.mkdtemp(),
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "learning_rate": job["lr"],
            "lr_scheduler_type": "constant",
            "max_grad_norm": job["grad_clip"],
            "epsilon": job["clip_param"],
            "max_completion_length": job["max_response_tokens"],
            "beta": 0.0,
            "seed": job["seed"] or 0,
            "report_to": "none",
            "save_strategy": "no",
            "logging_strategy": "no",
            "disable_tqdm": True,
            **changes,
        }
    )


class RowsTrainer(GRPOTrainer):
    """A `GRPOTrainer` whose batches are recorded rows instead of generations."""

    def __init__(self, recorded: RecordedRows, *, old_logp: str, **kwargs: Any) -> None:
        """Split the rows into prompts and responses.

        Args:
            recorded: The rows.
            old_logp: "given": the recorded log-probs. "recomputed": by one more forward pass, which
                TRL needs when an iteration has several optimiser steps.
            **kwargs: Arguments of `GRPOTrainer`.
        """
        super().__init__(**kwargs)
        rows = recorded.rows
        self._old_logp = old_logp
        tokens = rows.token_ids.astype("int64")
        starts, ends = rows.row_offsets[:-1], rows.row_offsets[1:]
        middles = starts + rows.prompt_lengths
        self._prompts = [torch.tensor(tokens[a:b]) for a, b in zip(starts, middles, strict=True)]
        self._responses = [torch.tensor(tokens[a:b]) for a, b in zip(middles, ends, strict=True)]
        parts = list(zip(rows.response_offsets[:-1], rows.response_offsets[1:], strict=True))
        self._logp = [torch.tensor(rows.rollout_logp[a:b]) for a, b in parts]
        self._row_advantages = torch.tensor(rows.advantages[rows.response_offsets[:-1]])

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, torch.Tensor]:
        pad_id = self._tokenizer.pad_token_id
        batch = {
            "prompt_ids": pad(self._prompts, padding_value=pad_id, padding_side="left"),
            "prompt_mask": _mask(self._prompts, "left"),
            "completion_ids": pad(self._responses, padding_value=pad_id, padding_side="right"),
            "completion_mask": _mask(self._responses, "right"),
            "advantages": self._row_advantages,
        }
        batch["num_items_in_batch"] = batch["completion_mask"].sum()
        if self._old_logp == "given":
            batch["old_per_token_logps"] = pad(self._logp, padding_value=0.0, padding_side="right")
        else:
            batch["old_per_token_logps"] = self._score(batch)
        return batch

    @torch.no_grad()
    def _score(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the log-probs under the current weights, as TRL computes them."""
        logp, _, _ = self._get_per_token_logps_and_entropies(
            self.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
            batch["completion_ids"].size(1),
            batch_size=self.args.per_device_train_batch_size,
        )
        return logp


def _mask(parts: list[torch.Tensor], side: str) -> torch.Tensor:
    return pad([torch.ones_like(part) for part in parts], padding_value=0, padding_side=side)


class StepTimer(TrainerCallback):
    """A callback that times updates of several optimiser steps, without TRL's logging."""

    def __init__(self, steps_per_update: int) -> None:
        """Start without entries."""
        self._steps_per_update = steps_per_update
        self.clock = Clock()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin an update."""
        if state.global_step % self._steps_per_update == 0:
            self.clock.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End an update."""
        if state.global_step % self._steps_per_update == 0:
            self.clock.stop()


def run_updates(
    folder: Path, rows: str, job: dict[str, Any], *, accumulation: int, updates: int, old_logp: str
) -> dict[str, list[float]]:
    """Run whole updates and return the seconds of each by clock, the first one included.

    Args:
        folder: The recorded job.
        rows: "early" or "late".
        job: The facts of the job.
        accumulation: Micro-batches of one optimiser step.
        updates: The number of updates.
        old_logp: See `RowsTrainer`.
    """
    recorded, num_steps = read_rows(folder / f"{rows}.npz"), job["num_minibatches"]
    model_folder = str(folder / f"{rows}_model")
    timer = StepTimer(num_steps)
    trainer = RowsTrainer(
        recorded,
        old_logp=old_logp,
        model=AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(model_folder),
        reward_funcs=lambda prompts, **kwargs: [0.0] * len(prompts),
        args=settings(
            job,
            per_device_train_batch_size=recorded.rows.num_rows // (num_steps * accumulation),
            gradient_accumulation_steps=accumulation,
            steps_per_generation=num_steps * accumulation,
            num_generations=2,  # any divisor of the rows: their advantages are given
            max_steps=num_steps * updates,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["-"] * recorded.rows.num_rows}),
        callbacks=[timer],
    )
    trainer.train()
    return timer.clock.seconds


def time_learner(
    folder: Path,
    rows: str,
    job: dict[str, Any],
    *,
    accumulations: list[int],
    repeats: int,
    old_logp: str,
) -> dict[str, Any]:
    """Find the fastest number of micro-batches, then time updates with it.

    Returns:
        Seconds of each update by clock, without the first one; rows, tokens and the number.
    """
    best = min(
        accumulations,
        key=lambda number: min(
            run_updates(folder, rows, job, accumulation=number, updates=3, old_logp=old_logp)[
                "wall_s"
            ][1:]
        ),
    )
    seconds = run_updates(
        folder, rows, job, accumulation=best, updates=repeats + 1, old_logp=old_logp
    )
    recorded = read_rows(folder / f"{rows}.npz")
    return {
        **{name: times[1:] for name, times in seconds.items()},
        "num_rows": recorded.rows.num_rows,
        "num_tokens": recorded.num_tokens,
        "micro_batches_per_step": best,
    }
