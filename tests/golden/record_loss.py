"""Runs Learners over token rows of the recorded episodes, one per case of loss.json.

Every mini-batch starts from the same weights, those of the folder `model`, so loss, sums and
gradient do not depend on the optimiser. The metrics of the two whole updates do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.config.sections import Settings
from rllib_gigpo.loss.objective import METRIC_NAMES
from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES
from rllib_gigpo.models.causal_lm import load_causal_lm

from .record_learner import (
    logp_gradient,
    make_learner,
    minibatches_of,
    prepared,
    projections,
    scores_of,
    update_twice,
)
from .recordings import case_config

NUM_PROJECTIONS = 4
# Arrays of the token rows.
ROW_ARRAYS = (
    "token_ids",
    "prompt_lengths",
    "response_lengths",
    "rollout_logp",
    "advantages",
    "minibatch_ids",
)
# Arrays (S,) that all cases share.
SHARED = ("logp", "entropy", "ref_logp")
# Arrays that every case has: of the tokens (S,), the mini-batches (M, ...) and the updates.
STACKED = (
    "old_logp",
    "loss_weights",
    "importance",
    "logp_gradient",
    "loss",
    "divisor",
    "sums",
    "max_ratio_deviation",
    "max_abs_logp_diff",
    "grad_norms",
    "grad_projections",
    "updated_projections",
)


def make_inputs(rows: TokenRows, filtered_weights: np.ndarray, model_path: Path) -> dict[str, Any]:
    """Take the token rows of one credit case and the row weights of another; draw the rest."""
    rng = np.random.default_rng(1)
    model = load_causal_lm(model_path)
    old_values = rng.normal(0.5, 0.3, rows.num_rows).astype(np.float32)
    errors = rng.normal(0.0, 0.6, rows.num_rows).astype(np.float32)
    num_weights = sum(weight.numel() for weight in model.parameters())
    signs = rng.choice(np.array([-1, 1], np.int8), (NUM_PROJECTIONS, num_weights))
    hidden_size = model.config.hidden_size
    return {
        **{name: getattr(rows, name) for name in ROW_ARRAYS},
        "filtered_weights": filtered_weights,
        "old_values": old_values,
        "value_targets": old_values + errors,
        "sign_bits": np.packbits(signs > 0, axis=1),
        "critic_weight": rng.normal(0.0, 0.05, (1, hidden_size)).astype(np.float32),
        "critic_bias": rng.normal(size=1).astype(np.float32),
    }


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input arrays of loss.npz, which all cases share; see README.md."""

    arrays: Mapping[str, np.ndarray]

    @property
    def signs(self) -> np.ndarray:
        """(K, N) int8 of +1 and -1 for all N weights; see `record_learner.projections`."""
        return np.unpackbits(self.arrays["sign_bits"], axis=1).astype(np.int8) * 2 - 1

    @property
    def critic(self) -> dict[str, np.ndarray]:
        """The linear layer of a critic."""
        return {name: self.arrays[f"critic_{name}"] for name in ("weight", "bias")}

    def rows_of(self, settings: Settings) -> TokenRows:
        """Return the token rows with the weights and values of a case."""
        arrays = self.arrays
        ids, lengths = arrays["minibatch_ids"], arrays["response_lengths"]
        weights = np.ones(len(ids), dtype=np.float32)
        if settings.credit.penalties.filter_overlong:
            weights = arrays["filtered_weights"]
        has_critic = settings.loss.critic is not None
        return TokenRows(
            **{name: arrays[name] for name in ROW_ARRAYS},
            weights=weights,
            minibatch_token_counts=np.bincount(ids, weights * lengths),
            minibatch_row_counts=np.bincount(ids, weights),
            old_values=arrays["old_values"] if has_critic else None,
            value_targets=arrays["value_targets"] if has_critic else None,
        )


def run_minibatches(config: GiGPOConfig, inputs: Inputs) -> dict[str, np.ndarray]:
    """Run a case's mini-batches, all from the initial weights; return its arrays by name."""
    learner = make_learner(config.copy(copy_frozen=False).training(num_epochs=1), inputs.critic)
    data = prepared(learner, inputs.rows_of(learner._settings))
    scores, columns = scores_of(learner, data), data.columns
    minibatches = minibatches_of(learner, data, inputs.signs)
    importance = columns.importance
    arrays = {
        **scores,
        "old_logp": columns.old_logp.numpy(),
        "loss_weights": columns.loss_weights.numpy(),
        "importance": np.ones_like(scores["logp"]) if importance is None else importance.numpy(),
        "logp_gradient": logp_gradient(learner, data, scores),
        **{name: np.array([one[name] for one in minibatches]) for name in minibatches[0]},
    }
    if columns.ref_logp is not None:
        arrays["ref_logp"] = columns.ref_logp.numpy()
    return arrays


def run_updates(
    config: GiGPOConfig, inputs: Inputs
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """Run a case's two whole updates; return its arrays by name, and the metrics of both."""
    learner, arrays = make_learner(config, inputs.critic), {}
    rows = inputs.rows_of(learner._settings)
    if rows.old_values is not None:
        arrays["values"] = learner.values(rows)
    metrics, penalties = update_twice(learner, rows)
    if penalties:
        arrays["kl_penalties"] = np.stack(penalties)
    weights = list(learner._causal_lm.model.parameters())
    arrays["updated_projections"] = projections(weights, inputs.signs)
    return arrays, metrics


def record_loss(
    record: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, model_path: Path
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run all cases.

    Args:
        record: Contents of loss.json.
        arrays: Result of `make_inputs`.
        model_path: Folder of the model to train.

    Returns:
        All arrays, and the record with new names and results.
    """
    inputs, arrays = Inputs(arrays), dict(arrays)
    stacked: dict[str, list[Any]] = defaultdict(list)
    cases = []
    for case in record["cases"]:
        config = case_config(record["common_settings"], case["settings"], model_path=model_path)
        found, updates = run_updates(config, inputs)
        for name, array in (run_minibatches(config, inputs) | found).items():
            if name in SHARED:
                arrays[name] = array
            elif name in STACKED:
                stacked[name].append(array)
            else:
                arrays[f"{name}/{case['name']}"] = array
        cases.append(case | {"updates": updates})
    model = load_causal_lm(model_path)
    names = {
        "sums": list(METRIC_NAMES),
        "vf_sums": list(VALUE_METRIC_NAMES),
        "parameters": {name: list(weight.shape) for name, weight in model.named_parameters()},
    }
    arrays |= {name: np.stack(rows) for name, rows in stacked.items()}
    return arrays, {**record, **names, "cases": cases}
