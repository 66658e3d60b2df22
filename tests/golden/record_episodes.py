"""Plays new episodes to record, and makes the model to train on them.

A small model is fitted briefly to the expert and then plays with the `transformers` engine. Some of
its responses are good, some inadmissible, some have an invalid format, and some are cut off.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from transformers import AutoModelForCausalLM

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    TinyModelSettings,
    WarmStartSettings,
    warm_start,
)
from rllib_gigpo.warm_start.from_config import prompting_of

from .record_learner import add_noise
from .recordings import case_config

WEIGHT_VERSION = 3
# The seed of each group's task, by group id.
TASKS = {5: 0, 6: 1, 8: 3, 12: 7, 15: 10, 18: 13}
LONE_GROUP = 6  # keeps only its shortest episode
# Scale of the noise in the model to train; large enough that ratios leave every clip range.
MODEL_SCALE = 0.25


def fitted_player(folder: Path) -> Path:
    """Fit a model of some 20,000 parameters to the expert, but only briefly."""
    config = case_config()
    settings = WarmStartSettings(
        env=config.env,
        env_config=dict(config.env_config),
        seeds=tuple(range(16, 80)),
        prompting=prompting_of(config),
        demonstrations=DemonstrationSettings(
            episodes_per_seed=4, max_episode_steps=8, random_label_probability=0.8
        ),
        tiny_model=TinyModelSettings(
            vocab_size=400, hidden_size=24, num_layers=2, num_heads=2, max_position_embeddings=128
        ),
        fit=FitSettings(num_epochs=5),
    )
    return warm_start(settings, output=folder / "player", cache_dir=folder / "cache")


def play(player: Path) -> list[SingleAgentEpisode]:
    """Play all groups and return the whole episodes, sorted by group and member."""
    config = case_config(model_path=player)
    sampling = SamplingSettings(max_tokens=config.max_response_tokens)
    runner = GroupEnvRunner(config=config)
    engine = runner.module.engine
    engine.load_weights(list(engine._model.named_parameters()), WEIGHT_VERSION)
    result = runner.sample_groups(
        [GroupTask(*task, config.group_size, sampling) for task in TASKS.items()]
    )
    runner.stop()
    groups = sorted(result.groups, key=lambda group: group.task.group_id)
    return [
        episode
        for group in groups
        for episode in (
            [min(group.episodes, key=len)] if group.task.group_id == LONE_GROUP else group.episodes
        )
    ]


def save_model(player: Path, folder: Path) -> None:
    """Write the model to train: the one that played, plus noise."""
    model = AutoModelForCausalLM.from_pretrained(player)
    add_noise(model, scale=MODEL_SCALE, seed=1)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(player / name, folder / name)
