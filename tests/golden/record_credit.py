"""Runs the credit pipeline of commit da50f96 over the recorded episodes, once for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from rllib_gigpo import GiGPOConfig, columns

# What both modes of penalties share; rules that read no step returns take none in mode "return".
_PENALTIES = {"format_penalty": 0.1, "admissible_penalty": 0.05}
_RETURN = {**_PENALTIES, "penalty_mode": "return"}
_ROW = {**_PENALTIES, "penalty_mode": "row"}
_SCORE = {**_PENALTIES, "penalty_mode": "score", "episode_baseline": "step"}
_PPO = {"estimator": "ppo", "critic": "head"}
_SIMILAR = {"anchor": "similar", "anchor_ratio": "difflib"}
_OVERLONG = {"overlong_buffer_tokens": 3, "overlong_penalty": 0.5, "overlong_filter": True}
_KL = {"kl_coeff": 0.1, "kl_placement": "reward"}
_HGPO = {"estimator": "hgpo"}

# Columns that only some cases have: NaN in the others.
OPTIONAL = (columns.VALUE_TARGETS, columns.ROW_WEIGHTS)
COLUMNS = (
    columns.REWARDS,
    columns.PENALTIES,
    columns.STEP_RETURNS,
    columns.EPISODE_RETURNS,
    columns.ANCHOR_GROUP_IDS,
    columns.EPISODE_ADVANTAGES,
    columns.STEP_ADVANTAGES,
    columns.ADVANTAGES,
    *OPTIONAL,
)
LABELS = (
    columns.GROUP_IDS,
    columns.TAG_IDS,
    columns.TRAJECTORY_IDS,
    columns.STEP_IDS,
    columns.RESPONSE_LENGTHS,
)


def _normalization(grouping: str, method: str) -> dict[str, Any]:
    return {"reward_normalization": {"grouping": grouping, "method": method}}


# Name -> settings that differ from the defaults and from those of the play.
CASES: dict[str, dict[str, Any]] = {
    "gigpo_return": {**_RETURN},
    "gigpo_row": {**_ROW},
    "gigpo_score": {**_SCORE, "lone_episode": "raw", "normalize_by_std": True},
    "gigpo_raw": {"lone_episode": "raw"},
    "gigpo_weights": {
        **_RETURN,
        "gamma": 0.8,
        "step_weight": 0.5,
        "episode_weight": 2.0,
        "normalize_by_std": True,
    },
    "gigpo_normalized": {**_RETURN, **_normalization("traj_group_id", "mean")},
    "gigpo_normalized_batch": {**_ROW, **_normalization("batch", "mean_std")},
    "gigpo_normalized_tags": {
        **_PENALTIES,
        "penalty_mode": "score",
        **_normalization("tags", "asym_clip"),
    },
    "gigpo_identity": {**_RETURN, **_normalization("batch", "identity")},
    "gigpo_whiten_clip": {**_RETURN, "whiten_advantages": True, "advantage_clip": 0.5},
    "gigpo_whiten": {**_ROW, "whiten_advantages": True},
    "gigpo_similar": {**_RETURN, **_SIMILAR},
    "gigpo_similar_first_visit": {
        **_RETURN,
        **_SIMILAR,
        "anchor_threshold": 0.8,
        "anchor_within_trajectory": False,
    },
    "gigpo_first_visit": {**_RETURN, "anchor_within_trajectory": False},
    "gigpo_overlong": {**_RETURN, **_OVERLONG},
    "gigpo_overlong_row": {**_ROW, **_OVERLONG},
    "gigpo_filter": {**_RETURN, "overlong_filter": True},
    "gigpo_kl": {**_RETURN, **_KL},
    "gigpo_other_shuffle": {**_RETURN, "num_minibatches": 3, "seed": 7},
    "gigpo_many_minibatches": {**_RETURN, "num_minibatches": 100},
    "grpo_return": {"estimator": "grpo"},
    "grpo_row": {"estimator": "grpo", **_ROW},
    "grpo_score": {"estimator": "grpo", **_SCORE, "lone_episode": "raw"},
    "grpo_no_std": {"estimator": "grpo", **_ROW, "normalize_by_std": False, "episode_weight": 0.5},
    "grpo_normalized": {"estimator": "grpo", **_ROW, **_normalization("batch", "mean_std")},
    "rloo_return": {"estimator": "rloo"},
    "rloo_row": {"estimator": "rloo", **_ROW},
    "rloo_step": {"estimator": "rloo", **_SCORE},
    "reinforce_pp_return": {"estimator": "reinforce_pp"},
    "reinforce_pp_row": {"estimator": "reinforce_pp", **_ROW},
    "reinforce_pp_group": {"estimator": "reinforce_pp", **_ROW, "return_baseline": "group"},
    "step_reinforce_return": {"estimator": "step_reinforce", **_RETURN},
    "step_reinforce_row": {"estimator": "step_reinforce", **_ROW},
    "step_reinforce_tags": {
        "estimator": "step_reinforce",
        **_RETURN,
        **_normalization("tags", "mean_std"),
    },
    "hgpo_return": {**_HGPO, **_RETURN},
    "hgpo_row": {**_HGPO, **_ROW},
    "hgpo_episode_term": {**_HGPO, **_RETURN, "episode_term": True},
    "hgpo_episode_term_row": {**_HGPO, **_ROW, "episode_term": True, "normalize_by_std": False},
    "hgpo_weights": {
        **_HGPO,
        **_RETURN,
        "anchor_context": 1,
        "level_weight_alpha": 0.5,
        "level_offset": 0,
    },
    "anchor_gae_return": {"estimator": "anchor_gae", **_RETURN},
    "anchor_gae_row": {
        "estimator": "anchor_gae",
        **_ROW,
        "gae_lambda": 0.7,
        "normalize_by_std": False,
    },
    "ppo_return": {**_PPO, **_RETURN},
    "ppo_row": {**_PPO, **_ROW, "gamma": 0.9, "gae_lambda": 0.7, "whiten_advantages": True},
    "ppo_kl": {**_PPO, **_RETURN, **_KL, "gae_lambda": 1.0},
}


# The number of the update, where it is not the first.
ITERATIONS = {"gigpo_other_shuffle": 3}


@dataclass(frozen=True, slots=True)
class LearnerColumns:
    """Made-up columns of the Learners, (R,) float64 each."""

    values: np.ndarray
    bootstrap_values: np.ndarray
    kl_penalties: np.ndarray

    @classmethod
    def make(cls, episodes: Sequence[Any], *, seed: int = 0) -> LearnerColumns:
        """Draw them; bootstrap values are 0 but for the last step of a truncated episode."""
        rng = np.random.default_rng(seed)
        last_rows = np.cumsum([len(episode) for episode in episodes]) - 1
        is_cut = np.zeros(last_rows[-1] + 1, dtype=bool)
        is_cut[last_rows[[episode.is_truncated for episode in episodes]]] = True
        return cls(
            values=rng.normal(0.5, 0.3, len(is_cut)),
            bootstrap_values=np.where(is_cut, rng.normal(0.3, 0.2, len(is_cut)), 0.0),
            kl_penalties=rng.normal(0.01, 0.02, len(is_cut)),
        )

    def of_case(self, config: GiGPOConfig) -> dict[str, np.ndarray]:
        """Give what the Learners would have been asked for; see `learner_scores`."""
        found = {}
        if config.critic is not None:
            found[columns.VALUES] = self.values
            found[columns.BOOTSTRAP_VALUES] = self.bootstrap_values
        if config.kl_placement == "reward":
            found[columns.KL_PENALTIES] = self.kl_penalties
        return found


@dataclass(slots=True)
class CreditRecord:
    """What all cases gave: for each column an array (C, R), C cases in the order of `CASES`."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    cases: list[dict[str, Any]] = field(default_factory=list)


def case_config(base: GiGPOConfig, settings: dict[str, Any]) -> GiGPOConfig:
    """Change settings of a config, and check that all of them go together."""
    config = base.copy(copy_frozen=False).update_from_dict(settings)
    config.validate()
    return config


def assign_credit(
    config: GiGPOConfig, episodes: Sequence[Any], batch: dict[str, Any], *, iteration: int = 0
) -> dict[str, Any]:
    """Run the pipeline as `GiGPO._assign_credit` does."""
    space = gym.spaces.Text(1)
    pipeline = config.build_learner_connector(space, space)
    return pipeline(
        rl_module=None,
        batch=batch,
        episodes=list(episodes),
        explore=True,
        shared_data={"iteration": iteration},
    )


def record_credit(base: GiGPOConfig, episodes: Sequence[Any]) -> CreditRecord:
    """Run all cases."""
    learners, record = LearnerColumns.make(episodes), CreditRecord()
    stacked: dict[str, list[np.ndarray]] = {name: [] for name in (*COLUMNS, "minibatch_ids")}
    for name, settings in CASES.items():
        config, iteration = case_config(base, settings), ITERATIONS.get(name, 0)
        batch = assign_credit(config, episodes, learners.of_case(config), iteration=iteration)
        for column in COLUMNS:
            stacked[column].append(_column(batch, column))
        stacked["minibatch_ids"].append(batch[columns.TOKEN_ROWS].minibatch_ids)
        record.cases.append(
            {"name": name, "settings": settings, "iteration": iteration, **_outcome(batch)}
        )
        record.arrays |= {column: batch[column] for column in LABELS}
    record.arrays |= {column: np.stack(rows) for column, rows in stacked.items()}
    record.arrays |= {
        columns.VALUES: learners.values,
        columns.BOOTSTRAP_VALUES: learners.bootstrap_values,
        columns.KL_PENALTIES: learners.kl_penalties,
    }
    return record


def _column(batch: dict[str, Any], column: str) -> np.ndarray:
    if column in OPTIONAL and column not in batch:
        return np.full(len(batch[columns.REWARDS]), np.nan)
    return batch[column]


def _outcome(batch: dict[str, Any]) -> dict[str, Any]:
    """What a case gave beside its rows; times are left out."""
    metrics = batch[columns.CREDIT_METRICS]
    return {
        "optional_columns": [column for column in OPTIONAL if column in batch],
        "num_minibatches": batch[columns.TOKEN_ROWS].num_minibatches,
        "metrics": {key: value for key, value in metrics.items() if not key.endswith("_s")},
    }
