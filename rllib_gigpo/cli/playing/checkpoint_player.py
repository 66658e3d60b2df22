"""Plays an episode with a checkpoint: its model, prompts, action parser and environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.cli.experiment import apply_settings
from rllib_gigpo.cli.playing.playable import Playable
from rllib_gigpo.cli.playing.played_step import PlayedStep
from rllib_gigpo.cli.playing.shown import shown
from rllib_gigpo.errors import EnvContractError


def checkpoint_steps(
    playable: Playable, settings: Sequence[tuple[str, Any]] = (), *, seed: int, engine: str
) -> Iterator[PlayedStep]:
    """Play the task ``seed`` to its end, sampling as in evaluation, and yield its steps.

    Args:
        playable: The model, with its config.
        settings: (name, value) pairs to set on its config first.
        seed: The task.
        engine: "transformers" starts fastest; "vllm" is the engine of training.

    Raises:
        EnvContractError: The environment failed.
    """
    from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
    from rllib_gigpo.sampling.evaluation import EvaluationTasks

    config = playable.config
    chosen: list[tuple[str, Any]] = [("engine", engine), ("lora", None)]  # adapters are merged
    if engine == "transformers":
        chosen.append(("engine_kwargs", {}))
    apply_settings(config, [*chosen, *settings])
    tasks = EvaluationTasks.from_settings(config.evaluated().settings)
    tasks = replace(tasks, seeds=[seed], decoding_seeds=tasks.decoding_seeds[:1])
    runner = GroupEnvRunner(config=config, worker_index=0)
    try:
        result = runner.sample_groups(tasks.group_tasks())
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
            pictures=tuple(place.image.pixels for place in record.images),
            role=record.role,
        )
