"""Conversion of whole episodes to plain JSON and back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import StepRecord

# Fields of a step's record that the file holds unchanged.
_PLAIN = ("response_text", "is_format_valid", "is_admissible", "finish_reason")


def read_episodes(file: Path) -> list[SingleAgentEpisode]:
    """Read all episodes of a file."""
    return [as_episode(record) for record in json.loads(gzip.decompress(file.read_bytes()))]


def write_episodes(episodes: Sequence[SingleAgentEpisode], file: Path) -> None:
    """Write episodes to a gzip file whose bytes depend only on the episodes."""
    text = json.dumps([as_record(episode) for episode in episodes], allow_nan=False)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def as_record(episode: SingleAgentEpisode) -> dict[str, Any]:
    """Return everything in an episode as plain values; a float32 is exact as JSON's float64."""
    steps: list[StepRecord] = list(episode.get_extra_model_outputs(columns.STEP_RECORD))
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
        "prompt_token_ids": [list(step.prompt_token_ids) for step in steps],
        "prompt_text": [step.prompt_text for step in steps],
        "prompt_cut": [step.is_prompt_cut for step in steps],
        "response_token_ids": [list(step.response_token_ids) for step in steps],
        "rollout_logp": [step.rollout_logp.tolist() for step in steps],
        "weight_version": [step.policy_version for step in steps],
        "action_text": [step.action_text for step in steps],
        **{name: [getattr(step, name) for step in steps] for name in _PLAIN},
    }


def as_episode(record: dict[str, Any]) -> SingleAgentEpisode:
    """Build an episode as an EnvRunner returns it."""
    episode = SingleAgentEpisode(id_=f"{record['group_id']}-{record['member']}")
    episode.custom_data[columns.GROUP_ID] = record["group_id"]
    episode.custom_data[columns.MEMBER] = record["member"]
    episode.custom_data[columns.TASK] = record["seed"]
    episode.add_env_reset(record["observations"][0], record["infos"][0])
    last = len(record["actions"]) - 1
    for step in range(last + 1):
        episode.add_env_step(
            observation=record["observations"][step + 1],
            action=record["actions"][step],
            reward=record["rewards"][step],
            infos=record["infos"][step + 1],
            terminated=step == last and record["is_terminated"],
            truncated=step == last and record["is_truncated"],
            extra_model_outputs={columns.STEP_RECORD: _step_record(record, step)},
        )
    return episode


def _step_record(record: dict[str, Any], step: int) -> StepRecord:
    token_ids = record["response_token_ids"][step]
    return StepRecord(
        prompt_token_ids=record["prompt_token_ids"][step],
        prompt_text=record["prompt_text"][step],
        is_prompt_cut=record["prompt_cut"][step],
        response_token_ids=token_ids,
        rollout_logp=np.array(record["rollout_logp"][step], dtype=np.float32),
        token_versions=np.full(len(token_ids), record["weight_version"][step]),
        action_text=record["action_text"][step],
        reward=record["rewards"][step],
        anchor=record["infos"][step].get("anchor", record["observations"][step]),
        **{name: record[name][step] for name in _PLAIN},
    )
