"""Plays the recorded episodes at commit da50f96, and writes whole episodes as plain JSON.

A small model is fitted to the expert for a moment and then plays with the `transformers` engine, so
that its answers are partly good, partly not admissible, partly without valid format, partly cut.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.tasks import GroupTask
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    TinyModelSettings,
    WarmStartSettings,
    warm_start,
)
from rllib_gigpo.warm_start.from_config import prompting_of

ENV_ID = "Hallway-v0"
GROUP_SIZE = 4
WEIGHT_VERSION = 3
# The seed of each group's task, by group id.
TASKS = {5: 0, 6: 1, 8: 3, 12: 7, 15: 10, 18: 13}
LONE_GROUP = 6  # of which only the shortest episode is kept
STEP_COLUMNS = (
    columns.PROMPT_TOKEN_IDS,
    columns.PROMPT_TEXT,
    columns.PROMPT_CUT,
    columns.RESPONSE_TOKEN_IDS,
    columns.ROLLOUT_LOGP,
    columns.WEIGHT_VERSION,
    columns.ACTION_TEXT,
    columns.RESPONSE_TEXT,
    columns.IS_FORMAT_VALID,
    columns.IS_ADMISSIBLE,
    columns.FINISH_REASON,
)

_PLACES = (
    "A red rug lies on the floor.",
    "A tall clock ticks.",
    "Two lamps burn.",
    "The wall is green and bare.",
    "A window looks out on the sea.",
    "Old coats hang here.",
)
_WEATHER = ("It rains.", "It rained.")


class Hallway(CorridorEnv):
    """`Corridor` with longer texts, small rewards on the way, and infos that differ by task.

    A step costs 0.03, and a door that is new in the episode earns 0.1. The weather changes with
    every step, so that texts of one door are similar and not equal. By the remainder of the seed
    by 4: 0 has anchors without weather, 1 has no anchors, 2 no tags, 3 anchors with weather.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the task ``seed``."""
        text, info = super().reset(seed=seed, options=options)
        self._kind, self._seen = (seed or 0) % 4, {self._position}
        return self._text(text), self._changed(info)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Move, and pay."""
        text, reward, terminated, truncated, info = super().step(action)
        reward += 0.1 * (self._position not in self._seen) - 0.03
        self._seen.add(self._position)
        return self._text(text), reward, terminated, truncated, self._changed(info)

    def _text(self, text: str) -> str:
        return f"{text} {_PLACES[self._position]} {self._weather}"

    def _changed(self, info: dict[str, Any]) -> dict[str, Any]:
        tags = {0: ["corridor"], 1: ["corridor", "wet"], 3: ["wet", "corridor"]}
        changed = {name: value for name, value in info.items() if name not in ("anchor", "tags")}
        if self._kind != 1:
            weather = f" {self._weather}" if self._kind == 3 else ""
            changed["anchor"] = f"{info['anchor']} {_PLACES[self._position]}{weather}"
        if self._kind in tags:
            changed["tags"] = tags[self._kind]
        return changed

    @property
    def _weather(self) -> str:
        return _WEATHER[self._num_steps % 2]


gym.register(ENV_ID, entry_point=Hallway)


def play_config(model_path: str) -> GiGPOConfig:
    """How the episodes are played."""
    return (
        GiGPOConfig()
        .environment(ENV_ID, env_config={"length": 6, "max_steps": 8})
        .llm(model_path=model_path, max_prompt_tokens=56, max_response_tokens=7)
        .inference(engine="transformers")
        .prompting(template="compact", think_tag=None, history_length=3)
        .tasks(num_train_tasks=16, num_test_tasks=1, max_episode_steps=7)
        .training(group_size=GROUP_SIZE, num_groups=len(TASKS))
        .debugging(seed=0)
    )


def fitted_player(folder: Path) -> Path:
    """Fit a model of some 20,000 parameters to the expert, not for long."""
    config = play_config(".")
    settings = WarmStartSettings(
        env=ENV_ID,
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


def play(model_path: str) -> list[Any]:
    """Play all groups; the whole episodes, by group and member."""
    runner = GroupEnvRunner(config=play_config(model_path))
    engine = runner.module.engine
    engine.load_weights(list(engine._model.named_parameters()), WEIGHT_VERSION)
    result = runner.sample_groups([GroupTask(*task) for task in TASKS.items()])
    runner.stop()
    groups = sorted(result.groups, key=lambda group: group.task.group_id)
    return [
        episode
        for group in groups
        for episode in (
            [min(group.episodes, key=len)] if group.task.group_id == LONE_GROUP else group.episodes
        )
    ]


def as_record(episode: Any) -> dict[str, Any]:
    """Everything that an episode holds, as JSON has it."""
    return {
        "group_id": episode.custom_data[columns.GROUP_ID],
        "member": episode.custom_data[columns.MEMBER],
        "seed": episode.custom_data[columns.TASK],
        "is_terminated": episode.is_terminated,
        "is_truncated": episode.is_truncated,
        "observations": list(episode.get_observations()),
        "infos": list(episode.get_infos()),
        "rewards": [float(reward) for reward in episode.get_rewards()],
        "actions": list(episode.get_actions()),
        **{name: _plain(episode.get_extra_model_outputs(name)) for name in STEP_COLUMNS},
    }


def _plain(values: Sequence[Any]) -> list[Any]:
    """Lists of plain numbers; a float32 is exact as the float64 that JSON holds."""
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


def write_episodes(episodes: Sequence[Any], file: Path) -> None:
    """Write a gzip file that depends on its content only."""
    text = json.dumps([as_record(episode) for episode in episodes], allow_nan=False)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
