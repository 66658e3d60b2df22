"""Plays an episode with a checkpoint: its model, prompts, action parser and environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.cli.checkpoints import find_checkpoint
from rllib_gigpo.cli.commands.evaluate import checkpoint_config
from rllib_gigpo.cli.experiment import apply_settings
from rllib_gigpo.cli.playing.played_step import PlayedStep
from rllib_gigpo.cli.playing.shown import shown
from rllib_gigpo.errors import EnvContractError


def checkpoint_steps(checkpoint: Path, *, seed: int, engine: str) -> Iterator[PlayedStep]:
    """Play the task ``seed`` to its end, sampling as in evaluation, and yield its steps.

    Args:
        checkpoint: A checkpoint, or a trial's folder.
        seed: The task.
        engine: "transformers" starts fastest; "vllm" is the engine of training.

    Raises:
        CheckpointError: There is no checkpoint.
        EnvContractError: The environment failed.
    """
    from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
    from rllib_gigpo.learner.checkpoint_model import model_folder
    from rllib_gigpo.sampling.evaluation import EvaluationTasks

    found = find_checkpoint(checkpoint)
    config = checkpoint_config(found).copy(copy_frozen=False)
    # A checkpoint holds the whole model: adapters are merged.
    settings: list[tuple[str, Any]] = [
        ("model_path", str(model_folder(found))),
        ("engine", engine),
        ("lora", None),
    ]
    if engine == "transformers":
        settings.append(("engine_kwargs", {}))
    apply_settings(config, settings)
    tasks = replace(
        EvaluationTasks.from_settings(config.evaluated().settings), first_task=seed, num_tasks=1
    )
    runner = GroupEnvRunner(config=config, worker_index=0)
    try:
        result = runner.sample_groups(tasks.draw(1, ()))
    finally:
        runner.stop()
    if result.lost:
        raise EnvContractError(f"Task {seed} could not be played: {result.lost[0].message}")
    infos = result.episodes[0].get_infos()
    for info, record in zip(infos, step_records(result.episodes), strict=False):
        yield PlayedStep(
            prompt=record.prompt_text,
            anchor=shown(record.anchor),
            admissible_actions=tuple(info.get("admissible_actions") or ()),
            response=record.response_text,
            action=record.action_text,
            reward=record.reward,
        )
