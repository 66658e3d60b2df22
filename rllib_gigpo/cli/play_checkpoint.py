"""An episode by a checkpoint's model, with the prompts, parser and environment of its config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rllib_gigpo import columns
from rllib_gigpo.cli.checkpoints import find_checkpoint
from rllib_gigpo.cli.evaluate import checkpoint_config
from rllib_gigpo.cli.loading import apply_settings
from rllib_gigpo.cli.play import PlayedStep
from rllib_gigpo.cli.shown import shown
from rllib_gigpo.errors import EnvContractError


def checkpoint_steps(checkpoint: Path, *, seed: int, engine: str) -> Iterator[PlayedStep]:
    """Play the task ``seed`` to its end, sampling as in evaluation, and yield its steps.

    Args:
        checkpoint: A checkpoint, or a trial's folder.
        seed: The task.
        engine: "transformers" starts fastest; "vllm" is what trained it.

    Raises:
        CheckpointError: There is no checkpoint.
        EnvContractError: The environment failed.
    """
    from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
    from rllib_gigpo.learner.model_folder import model_folder
    from rllib_gigpo.tasks import GroupTask

    found = find_checkpoint(checkpoint)
    config = checkpoint_config(found).copy(copy_frozen=False)
    # The model in a checkpoint is whole: adapters are merged.
    settings: list[tuple[str, Any]] = [
        ("model_path", str(model_folder(found))),
        ("engine", engine),
        ("lora", None),
    ]
    if engine == "transformers":
        settings.append(("engine_kwargs", {}))
    apply_settings(config, settings)
    runner = GroupEnvRunner(config=config, worker_index=0)
    try:
        result = runner.sample_groups([GroupTask(group_id=0, seed=seed)], explore=False)
    finally:
        runner.stop()
    if result.lost:
        raise EnvContractError(f"Task {seed} could not be played: {result.lost[0].message}")
    (episode,) = result.episodes
    infos, rewards = episode.get_infos(), episode.get_rewards()
    outputs = episode.extra_model_outputs
    for step in range(len(episode)):
        yield PlayedStep(
            prompt=outputs[columns.PROMPT_TEXT][step],
            anchor=shown(infos[step].get("anchor", episode.get_observations(step))),
            admissible_actions=tuple(infos[step].get("admissible_actions") or ()),
            response=outputs[columns.RESPONSE_TEXT][step],
            action=outputs[columns.ACTION_TEXT][step],
            reward=float(rewards[step]),
        )
