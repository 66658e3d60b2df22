"""Runs Learners of commit da50f96 over token rows of the recorded episodes, one for each case.

Each mini-batch is taken from the same weights, those of the folder `model`: loss, sums and gradient
do not depend on the optimiser. Beside that two whole updates are made, whose metrics do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from record_credit import case_config
from record_learner import (
    logp_gradient,
    make_learner,
    minibatches_of,
    prepared,
    projections,
    scores_of,
    update_twice,
)

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.token_rows import TokenRows
from rllib_gigpo.loss.objective import METRIC_NAMES
from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES

NUM_PROJECTIONS = 4
# Of all cases: nothing that hides a difference, and several micro-batches per mini-batch.
COMMON: dict[str, Any] = {
    "kl_coeff": 0.0,
    "entropy_coeff": 0.0,
    "grad_clip": 0.5,
    "optimizer_name": "sgd",
    "lr": 0.02,
    "num_epochs": 2,
    "num_minibatches": 4,
    "micro_batch_tokens": 512,
    "logp_chunk_tokens": 16,
}
_RECOMPUTE = {"old_logp": "recompute"}
_TOKEN = {**_RECOMPUTE, "importance_sampling": "token", "importance_cap": 1.5}
_SEQUENCE = {**_RECOMPUTE, "importance_sampling": "sequence"}
_ROW_MEANS = {"loss_aggregation": "seq_mean_token_mean"}
_GSPO = {"policy_loss": "gspo", "dual_clip": None, **_ROW_MEANS}
_CISPO = {"policy_loss": "cispo", "dual_clip": None}
_KL = {"kl_coeff": 0.1}
_TARGET = {"kl_target": 0.01, "kl_horizon": 500}
_CRITIC = {"estimator": "ppo", "critic": "head", "critic_lr": 0.01}

# Name -> settings that differ from the defaults, from those of the play, and from `COMMON`.
CASES: dict[str, dict[str, Any]] = {
    "ppo": {},
    "ppo_no_dual_clip": {"dual_clip": None},
    "ppo_dual_clip": {"dual_clip": 1.3},
    "clip_higher": {"clip_param": 0.1, "clip_param_high": 0.28},
    "gspo": {**_GSPO, "clip_param": 3e-4, "clip_param_high": 4e-4},
    "gspo_wide": {**_GSPO, "clip_param": 0.1, "clip_param_high": 0.2},
    "cispo": {**_CISPO, "clip_param": 1.0, "clip_param_high": 0.2},
    "cispo_low": {**_CISPO, "clip_param": 0.1},
    "seq_mean_token_mean": {**_ROW_MEANS},
    "seq_mean_token_sum": {"loss_aggregation": "seq_mean_token_sum"},
    "seq_sum_norm": {"loss_aggregation": "seq_sum_norm", "loss_constant": 7.0},
    "kl_k1": {**_KL, "kl_estimator": "k1"},
    "kl_abs": {**_KL, "kl_estimator": "abs"},
    "kl_k2": {**_KL, "kl_estimator": "k2"},
    "kl_k3": {**_KL, "kl_estimator": "k3"},
    "kl_target": {**_KL, **_TARGET},
    "entropy": {"entropy_coeff": 0.05},
    "kl_and_entropy": {"kl_coeff": 0.01, "entropy_coeff": 0.001, **_ROW_MEANS},
    "recompute": {**_RECOMPUTE},
    "importance_token": {**_TOKEN},
    "importance_token_mask": {**_TOKEN, "importance_mask": True},
    "importance_sequence": {**_SEQUENCE},
    "importance_sequence_gspo": {**_GSPO, "clip_param": 0.1, **_SEQUENCE, "importance_mask": True},
    "overlong_filter": {"overlong_filter": True},
    "overlong_filter_row_means": {"overlong_filter": True, **_ROW_MEANS},
    "reward_kl": {**_KL, "kl_placement": "reward", **_TARGET},
    "critic_head": {**_CRITIC},
    "critic_head_unclipped": {**_CRITIC, "vf_clip_param": None, "vf_loss_coeff": 0.5},
    "critic_model": {**_CRITIC, "critic": "model", "vf_clip_param": 0.2},
    "adamw": {
        "optimizer_name": "adamw",
        "adam_eps": 1e-3,
        "adam_betas": [0.8, 0.95],
        "weight_decay": 0.1,
        "lr": 0.003,
        "lr_schedule": "cosine",
        "lr_warmup_iterations": 1,
        "lr_decay_iterations": 3,
        "lr_final_fraction": 0.1,
    },
}
# Of a mini-batch: arrays (C, M, ...).
MINIBATCH_ARRAYS = (
    "loss",
    "divisor",
    "sums",
    "max_ratio_deviation",
    "max_abs_logp_diff",
    "grad_norms",
    "grad_projections",
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What all cases share.

    Attributes:
        base: The config of the play, with `COMMON` and the model to train.
        rows: R token rows of the recorded episodes, with the advantages of one credit case.
        filtered_weights: (R,) float32, 0 for answers that the limit cut off.
        old_values: (R,) float32, made up: what a critic said before.
        value_targets: (R,) float32, made up: what it should have said.
        signs: (K, N) int8 of +1 and -1 for all N weights, see `record_learner.projections`.
        critic: The linear layer of a critic, made up.
    """

    base: GiGPOConfig
    rows: TokenRows
    filtered_weights: np.ndarray
    old_values: np.ndarray
    value_targets: np.ndarray
    signs: np.ndarray
    critic: dict[str, np.ndarray]

    @classmethod
    def make(cls, base: GiGPOConfig, rows: TokenRows, filtered_weights: np.ndarray) -> Inputs:
        """Draw what is made up."""
        rng = np.random.default_rng(1)
        model = make_learner(base)._causal_lm.model
        old_values = rng.normal(0.5, 0.3, rows.num_rows).astype(np.float32)
        errors = rng.normal(0.0, 0.6, rows.num_rows).astype(np.float32)
        num_weights = sum(weight.numel() for weight in model.parameters())
        return cls(
            base=base,
            rows=rows,
            filtered_weights=filtered_weights.astype(np.float32),
            old_values=old_values,
            value_targets=old_values + errors,
            signs=rng.choice(np.array([-1, 1], np.int8), (NUM_PROJECTIONS, num_weights)),
            critic={
                "weight": rng.normal(0.0, 0.05, (1, model.config.hidden_size)).astype(np.float32),
                "bias": rng.normal(size=1).astype(np.float32),
            },
        )

    def rows_of(self, config: GiGPOConfig) -> TokenRows:
        """The rows with the weights and values of a case."""
        weights = self.filtered_weights if config.overlong_filter else self.rows.weights
        has_critic = config.critic is not None
        ids, number = self.rows.minibatch_ids, self.rows.num_minibatches
        tokens = weights * self.rows.response_lengths
        return replace(
            self.rows,
            weights=weights,
            minibatch_token_counts=np.bincount(ids, tokens, number),
            minibatch_row_counts=np.bincount(ids, weights, number),
            old_values=self.old_values if has_critic else None,
            value_targets=self.value_targets if has_critic else None,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a later test needs to build the same rows and the same Learner."""
        rows = self.rows
        names = ("token_ids", "prompt_lengths", "response_lengths", "rollout_logp", "advantages")
        return {
            **{name: getattr(rows, name) for name in (*names, "minibatch_ids")},
            "filtered_weights": self.filtered_weights,
            "old_values": self.old_values,
            "value_targets": self.value_targets,
            "sign_bits": np.packbits(self.signs > 0, axis=1),
            **{f"critic_{name}": array for name, array in self.critic.items()},
        }


@dataclass(slots=True)
class LossRecord:
    """What all cases gave; arrays of all cases begin with C, in the order of `CASES`."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)


def record_loss(inputs: Inputs) -> LossRecord:
    """Run all cases."""
    stacked: dict[str, list[Any]] = defaultdict(list)
    record = LossRecord(arrays=inputs.arrays(), description=_names(inputs))
    for name, settings in CASES.items():
        config = case_config(inputs.base, settings)
        rows = inputs.rows_of(config)
        _record_minibatches(name, config, rows, inputs, record, stacked)
        learner = make_learner(config, inputs.critic)
        if config.critic is not None:
            record.arrays[f"values/{name}"] = learner.values_of_share([rows])
        metrics, penalties = update_twice(learner, rows)
        if penalties:
            record.arrays[f"kl_penalties/{name}"] = np.stack(penalties)
        weights = list(learner._causal_lm.model.parameters())
        stacked["updated_projections"].append(projections(weights, inputs.signs))
        record.description["cases"].append({"name": name, "settings": settings, "updates": metrics})
    record.arrays |= {name: np.array(arrays) for name, arrays in stacked.items()}
    return record


def _record_minibatches(
    name: str,
    config: GiGPOConfig,
    rows: TokenRows,
    inputs: Inputs,
    record: LossRecord,
    stacked: dict[str, list[Any]],
) -> None:
    """Add a case's tokens and mini-batches, all from the start weights."""
    learner = make_learner(config, inputs.critic)
    data = prepared(learner, rows)
    scores, columns = scores_of(learner, data), data.columns
    if columns.ref_logp is not None:
        record.arrays["ref_logp"] = columns.ref_logp.numpy()
    record.arrays |= scores
    importance = columns.importance
    stacked["old_logp"].append(columns.old_logp.numpy())
    stacked["loss_weights"].append(columns.loss_weights.numpy())
    stacked["importance"].append(
        np.ones(len(columns.old_logp), np.float32) if importance is None else importance.numpy()
    )
    stacked["logp_gradient"].append(logp_gradient(learner, data, scores))
    minibatches = minibatches_of(learner, data, inputs.signs)
    for array in MINIBATCH_ARRAYS:
        stacked[array].append([minibatch[array] for minibatch in minibatches])
    if config.critic is not None:
        own = [array for array in minibatches[0] if array.startswith(("critic_", "vf_"))]
        record.arrays |= {
            f"{array}/{name}": np.array([one[array] for one in minibatches]) for array in own
        }


def _names(inputs: Inputs) -> dict[str, Any]:
    model = make_learner(inputs.base)._causal_lm.model
    return {
        "sums": list(METRIC_NAMES),
        "vf_sums": list(VALUE_METRIC_NAMES),
        "parameters": {name: list(weight.shape) for name, weight in model.named_parameters()},
        "cases": [],
    }
