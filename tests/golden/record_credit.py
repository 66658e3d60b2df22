"""Runs the credit pipeline over the recorded episodes, once per case of credit.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.batch.token_rows import TokenRows

from .recordings import FOLDER, MODEL, case_config

# Arrays with one row per step: columns that differ by case, and labels that all cases share.
OPTIONAL = (columns.VALUE_TARGETS, columns.ROW_WEIGHTS)  # NaN in cases without them
MINIBATCH_IDS = "minibatch_ids"
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
    MINIBATCH_IDS,
)
LABELS = (
    columns.GROUP_IDS,
    columns.TAG_IDS,
    columns.TRAJECTORY_IDS,
    columns.STEP_IDS,
    columns.RESPONSE_LENGTHS,
)


@dataclass(frozen=True, slots=True)
class LearnerColumns:
    """Made-up columns of the Learners, (R,) float64 each."""

    values: np.ndarray
    bootstrap_values: np.ndarray
    kl_penalties: np.ndarray

    @classmethod
    def make(cls, episodes: Sequence[Any], *, seed: int = 0) -> LearnerColumns:
        """Draw the columns; bootstrap values are 0 except at the end of truncated episodes."""
        rng = np.random.default_rng(seed)
        last_rows = np.cumsum([len(episode) for episode in episodes]) - 1
        is_cut = np.zeros(last_rows[-1] + 1, dtype=bool)
        is_cut[last_rows[[episode.is_truncated for episode in episodes]]] = True
        return cls(
            values=rng.normal(0.5, 0.3, len(is_cut)),
            bootstrap_values=np.where(is_cut, rng.normal(0.3, 0.2, len(is_cut)), 0.0),
            kl_penalties=rng.normal(0.01, 0.02, len(is_cut)),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all three, by their names in the batch."""
        return {
            columns.VALUES: self.values,
            columns.BOOTSTRAP_VALUES: self.bootstrap_values,
            columns.KL_PENALTIES: self.kl_penalties,
        }

    def of_case(self, config: GiGPOConfig) -> dict[str, np.ndarray]:
        """Return the columns that the Learners would compute; see `learner_scores`."""
        loss, arrays = config.settings.loss, self.arrays()
        wanted = {columns.KL_PENALTIES} if loss.kl_in_reward else set()
        if loss.critic is not None:
            wanted |= {columns.VALUES, columns.BOOTSTRAP_VALUES}
        return {name: array for name, array in arrays.items() if name in wanted}


@dataclass(frozen=True, slots=True)
class CreditResult:
    """The result of a case.

    Attributes:
        arrays: (R,) each, `COLUMNS` and `LABELS`.
        outcome: The rest of the case's entry in credit.json.
        rows: The token rows for the Learners.
    """

    arrays: dict[str, np.ndarray]
    outcome: dict[str, Any]
    rows: TokenRows


def run_case(
    case: dict[str, Any],
    episodes: Sequence[Any],
    learners: LearnerColumns,
    *,
    model_path: Path = FOLDER / MODEL,
) -> CreditResult:
    """Run the pipeline as `GiGPO._assign_credit` does."""
    config = case_config(case["settings"], model_path=model_path)
    space = gym.spaces.Text(1)
    batch = config.build_learner_connector(space, space)(
        rl_module=None,
        batch=learners.of_case(config),
        episodes=list(episodes),
        explore=True,
        shared_data={"iteration": case["iteration"]},
    )
    rows = batch[columns.TOKEN_ROWS]
    lengths = batch[columns.RESPONSE_LENGTHS]
    missing = {name: np.full(len(lengths), np.nan) for name in OPTIONAL}
    own = {
        columns.ADVANTAGES: row_advantages(batch[columns.ADVANTAGES], lengths),
        MINIBATCH_IDS: rows.minibatch_ids,
    }
    found = missing | batch | own
    metrics = batch[columns.CREDIT_METRICS]
    return CreditResult(
        arrays={name: found[name] for name in (*COLUMNS, *LABELS)},
        outcome={
            "optional_columns": [name for name in OPTIONAL if name in batch],
            "num_minibatches": rows.num_minibatches,
            "metrics": {key: value for key, value in metrics.items() if not key.endswith("_s")},
        },
        rows=rows,
    )


def row_advantages(tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the advantage of each row, which all of its tokens share: (S,) -> (R,)."""
    firsts = tokens[np.cumsum(lengths) - lengths]
    np.testing.assert_array_equal(tokens, np.repeat(firsts, lengths))
    return firsts


def record_credit(
    cases: Sequence[dict[str, Any]],
    recorded: dict[str, np.ndarray],
    episodes: Sequence[Any],
    *,
    model_path: Path,
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Run all cases.

    Args:
        cases: The cases of credit.json; new ones come last.
        recorded: The arrays of credit.npz; cases that are gone keep theirs.
        episodes: The recorded episodes.
        model_path: Model folder with the tokenizer of the pipeline.

    Returns:
        The arrays, and the cases with their outcomes.
    """
    learners = LearnerColumns.make(episodes)
    per_case, labels, entries = list[dict[str, np.ndarray]](), dict[str, np.ndarray](), []
    for index, case in enumerate(cases):
        if "gone" in case:
            per_case.append({name: recorded[name][index] for name in COLUMNS})
            entries.append(case)
            continue
        result = run_case(case, episodes, learners, model_path=model_path)
        per_case.append(result.arrays)
        labels = {name: result.arrays[name] for name in LABELS}
        entries.append(case | result.outcome)
    stacked = {name: np.stack([arrays[name] for arrays in per_case]) for name in COLUMNS}
    return labels | stacked | learners.arrays(), entries
