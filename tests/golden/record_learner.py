"""Results of one Learner on token rows: scores, mini-batches and whole updates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.learner.update_sums import UpdateSums
from rllib_gigpo.loss.objective import objective

REFERENCE_SCALE = 0.15
# Metrics of an update that are not recorded: times, RLlib's counters, and those of the packing.
_LEFT_OUT = ("_s", "_throughput", "seq_no", "padding_fraction", "_lifetime")


def make_learner(config: GiGPOConfig, critic: dict[str, np.ndarray]) -> GiGPOLearner:
    """Build a local Learner.

    Args:
        config: Config of a case.
        critic: Weight (1, H) and bias (1,) of a critic's linear layer, which would start at 0.

    Returns:
        The Learner, before any update.
    """
    spec = config.get_default_rl_module_spec()
    spec.observation_space = spec.action_space = gym.spaces.Text(1)
    learner = GiGPOLearner(
        config=config, module_spec=MultiRLModuleSpec(rl_module_specs={DEFAULT_MODULE_ID: spec})
    )
    learner.build()
    if learner._causal_lm.critic is not None:
        layer = {name: torch.from_numpy(array) for name, array in critic.items()}
        learner._causal_lm.critic.value.load_state_dict(layer)
    return learner


@torch.no_grad()
def add_noise(model: torch.nn.Module, *, scale: float, seed: int) -> None:
    """Add noise to every weight, in units of the root mean square of its tensor."""
    rng = np.random.default_rng(seed)
    for weight in model.parameters():
        noise = torch.from_numpy(rng.normal(size=tuple(weight.shape)).astype(np.float32))
        weight += scale * weight.square().mean().sqrt() * noise


def prepared(learner: GiGPOLearner, rows: TokenRows) -> UpdateData:
    """Pack and score the rows; move the reference first, so there is a divergence."""
    reference = getattr(learner._kl, "_reference", None)
    if reference is not None:
        add_noise(reference._adapter.model, scale=REFERENCE_SCALE, seed=2)
    data, _ = learner._prepare(rows)
    return data


@torch.no_grad()
def scores_of(learner: GiGPOLearner, data: UpdateData) -> dict[str, np.ndarray]:
    """Return log-probabilities and entropies under the policy, (S,) float32 each."""
    logp, entropy = torch.zeros(2, len(data.columns.rollout_logp))
    adapter, chunk_tokens = learner._causal_lm.adapter, learner.config.logp_chunk_tokens
    for micro_batch in data:
        tokens, hidden = micro_batch.token_indices, adapter.hidden_states(micro_batch)
        logp[tokens], entropy[tokens] = adapter.response_scores(
            micro_batch, hidden, chunk_tokens=chunk_tokens
        )
    return {"logp": logp.numpy(), "entropy": entropy.numpy()}


def minibatches_of(
    learner: GiGPOLearner, data: UpdateData, signs: np.ndarray
) -> list[dict[str, Any]]:
    """Run the Learner once through each mini-batch, but leave out the optimiser's steps."""
    records: list[dict[str, Any]] = []

    def keep(totals: torch.Tensor, divisor: float, sums: UpdateSums) -> None:
        record = {
            "loss": totals[0].item() / divisor,
            "divisor": divisor,
            "sums": totals[1:].numpy().copy(),
            "max_ratio_deviation": sums.fresh_deviation,
            "max_abs_logp_diff": sums.fresh_logp_diff,
            **gradient_of(learner._causal_lm.model, signs),
        }
        sums.fresh_deviation = sums.fresh_logp_diff = 0.0
        if learner._values is not None:
            record["vf_sums"] = learner._values._sums.numpy().copy()
            record |= critic_gradient(learner._causal_lm.critic, signs)
            learner._values._sums.zero_()
        records.append(record)

    learner._step = keep  # type: ignore[method-assign]
    learner._train(data)
    return records[: len(data.divisors)]


def logp_gradient(
    learner: GiGPOLearner, data: UpdateData, scores: dict[str, np.ndarray]
) -> np.ndarray:
    """Differentiate each mini-batch's loss by its log-probabilities: the objective alone, (S,).

    Call it after the Learner has gone through its mini-batches.
    """
    logp, entropy = (torch.from_numpy(scores[name]) for name in ("logp", "entropy"))
    leaf = logp.clone().requires_grad_()
    for minibatch, divisor in zip(data.micro_batches, data.divisors, strict=True):
        tokens = torch.cat([part.token_indices for part in minibatch])
        chosen = data.columns.select(tokens)
        part = objective(leaf[tokens], entropy[tokens], chosen, learner._objective_settings)
        (part.loss / divisor).backward()
    assert leaf.grad is not None
    return leaf.grad.numpy()


def gradient_of(model: torch.nn.Module, signs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the norms (P,) and projections (P, K) of the gradients of P tensors."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return {
        "grad_norms": np.array([gradient.double().norm().item() for gradient in gradients]),
        "grad_projections": projections(gradients, signs),
    }


def critic_gradient(critic: Any, signs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradient of a critic's linear layer; of its model, norms and projections."""
    record = {
        f"critic_{name}_grad": weight.grad.numpy().copy()
        for name, weight in critic.value.named_parameters()
    }
    if hasattr(critic, "backbone"):
        own = gradient_of(critic.backbone, signs)
        record |= {f"critic_{name}": array for name, array in own.items()}
    return record


def projections(tensors: Iterable[torch.Tensor], signs: np.ndarray) -> np.ndarray:
    """Sum each tensor under K patterns of signs, in float64.

    Args:
        tensors: P tensors with N numbers in total.
        signs: (K, N) of +1 and -1; each tensor takes the signs after those of the previous one.

    Returns:
        (P, K) float64.
    """
    start, sums = 0, []
    for tensor in tensors:
        values = tensor.detach().double().numpy().ravel()
        sums.append(signs[:, start : start + values.size] @ values)
        start += values.size
    return np.stack(sums)


def update_twice(
    learner: GiGPOLearner, rows: TokenRows
) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """Train twice on the same rows; return metrics, and β·KL per row if it enters the reward."""
    metrics, penalties = [], []
    for _ in range(2):
        if learner._settings.loss.kl_in_reward:
            penalties.append(learner.kl_penalties(rows))
        results = learner.update(training_data=TrainingRows(rows=rows))
        found = MetricsLogger.peek_results(results)[DEFAULT_MODULE_ID]
        kept = sorted(name for name in found if not name.endswith(_LEFT_OUT))
        metrics.append({name: float(found[name]) for name in kept})
    return metrics, penalties
