"""FSDP2 on two and three Gloo processes does what DDP does."""

import dataclasses

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from support.models.learner_groups import of_each
from support.rows import as_whole_batch

FSDP2, DDP = {"sharding": "fsdp2"}, {"sharding": "ddp"}
KL_IN_REWARD = {"kl": {"placement": "reward", "estimator": "k2"}, "kl_coeff": 0.5}
HEAD = {"critic": {"name": "head", "lr": 0.1}, "rule": "ppo"}
MODEL = {"critic": {"name": "model", "lr": 0.1}, "rule": "ppo"}
REWARDS = {"process_reward": {"lr": 0.1}, "rule": "istar"}
CASES = {
    "plain": {},
    "gradient checkpointing": {"gradient_checkpointing": True},
    "prefix trees": {"prefix_sharing": True},
    "recomputed log-probs": {"old_logp": "recompute"},
    "critic as head": HEAD,
    "critic as model": MODEL,
    "process reward model": REWARDS,
    "offload": {"sharding": {"name": "fsdp2", "cpu_offload": True}},
    "lora": {"lora": {"rank": 4}},
}
METRICS = ("grad_norm", "total_loss", "approx_kl", "kl_to_reference", "num_skipped_steps")


@pytest.fixture
def three_updates(train_group, make_rows, gradients, weights):
    """Return a function that trains: metrics, last gradients and weights of each Learner."""

    def run(group, settings):
        columns = {
            "has_values": "critic" in settings,
            "has_pairs": "process_reward" in settings,
        }
        batches = [make_rows(seed=seed, **columns) for seed in range(3)]
        metrics = [train_group(group, rows)[0] for rows in batches]
        return metrics, of_each(group, gradients), of_each(group, weights)

    return run


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_three_sgd_steps_are_those_of_ddp(group_with, three_updates, assert_same, settings):
    metrics, gradients, weights = three_updates(group_with(**{**FSDP2, **settings}), settings)
    others = three_updates(group_with(**{**settings, **DDP}), settings)
    for name in METRICS:
        expected = [update[name] for update in others[0]]
        assert [update[name] for update in metrics] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert metrics[-1]["grad_norm"] > 0.05  # so that the gradients are clipped
    for own, other in zip(gradients + weights, others[1] + others[2], strict=True):
        assert_same(own, other, tolerance=1e-6)


def test_three_adamw_steps_are_those_of_ddp(group_with, three_updates, assert_same):
    settings = {"optim": "adamw", "lr": 1e-3}
    _, _, weights = three_updates(group_with(**FSDP2, **settings), settings)
    _, _, others = three_updates(group_with(**DDP, **settings), settings)
    for own, other in zip(weights, others, strict=True):
        assert_same(own, other, tolerance=1e-4)


def test_each_learner_holds_its_share(group_with):
    def shares(learner):
        module = learner.module[DEFAULT_MODULE_ID].unwrapped()
        parameters = [*module.parameters(), *learner._kl._reference._adapter.parameters()]
        return [(one.to_local().numel(), one.numel(), one.is_leaf) for one in parameters]

    group = group_with(**FSDP2, **MODEL)
    by_learner = of_each(group, shares)
    for parts in zip(*by_learner, strict=True):
        assert sum(part for part, _, _ in parts) == parts[0][1]
    held = [sum(part for part, _, _ in learner) for learner in by_learner]
    whole = sum(whole for _, whole, _ in by_learner[0])
    assert max(held) < 1.2 * whole / len(group)


@pytest.mark.parametrize("num_rows", [3, 1])
def test_a_learner_without_rows_takes_part(
    group_with, train_group, make_rows, weights, assert_same, num_rows
):
    rows = as_whole_batch(make_rows().select(np.arange(num_rows)))
    found = []
    for kind in (FSDP2, DDP):
        group = group_with(**kind)
        train_group(group, rows)
        found.append(of_each(group, weights)[0])
    assert_same(*found, tolerance=1e-6)


def test_a_nan_of_one_learner_skips_the_step_of_all(
    group_with, train_group, make_rows, weights, assert_same
):
    rows = make_rows()
    advantages = rows.advantages.copy()
    advantages[0] = np.nan
    poisoned = dataclasses.replace(rows, advantages=advantages)
    poisoned = as_whole_batch(poisoned.select(poisoned.minibatch_ids == 0))
    group = group_with(**FSDP2)
    before = of_each(group, weights)[0]
    for metrics in train_group(group, poisoned):
        assert (metrics["num_skipped_steps"], metrics["num_steps"]) == (1, 0)
    assert_same(of_each(group, weights)[0], before, tolerance=0.0)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("kl_penalties", KL_IN_REWARD),
        ("values", HEAD),
        ("values", MODEL),
        ("implicit_rewards", REWARDS),
    ],
)
def test_scores_for_credit_are_those_of_ddp(group_with, train_group, make_rows, method, settings):
    rows, found = make_rows(has_values=True, has_pairs=True), []
    for kind in (FSDP2, DDP):
        group = group_with(**kind, **settings)
        train_group(group, rows)
        # Shares of three sizes need different numbers of micro-batches.
        shares = np.minimum(np.arange(rows.num_rows) // 2, len(group) - 1)
        parts = [rows.select(shares == rank) for rank in range(len(group))]

        def score(learner, parts=parts):
            return getattr(learner, method)(parts[learner.sharding.rank])

        found.append(np.concatenate(of_each(group, score)))
    assert np.abs(found[1]).max() > 1e-4
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


def test_mixed_precision_gathers_in_bfloat16(group_with, train_group, make_rows, weights):
    def types(learner):
        seen = set()
        layer = learner._causal_lm.model.model.layers[0].self_attn.q_proj
        hook = layer.register_forward_hook(lambda layer, *_: seen.add(str(layer.weight.dtype)))
        learner.values_seen = (hook, seen)
        return str(layer.weight.dtype)

    group = group_with(**FSDP2, autocast_dtype="bfloat16", old_logp="recompute")
    assert set(of_each(group, types)) == {"torch.float32"}
    metrics = train_group(group, make_rows(num_minibatches=1))[0]
    assert of_each(group, lambda learner: learner.values_seen[1]) == [{"torch.bfloat16"}] * len(
        group
    )
    assert metrics["num_skipped_steps"] == 0
    assert abs(metrics["approx_kl"]) < 1e-9  # both passes are in bfloat16
    assert all(tensor.dtype == torch.float32 for tensor in of_each(group, weights)[0].values())


def test_learner_0_exports_whole_tensors_in_the_engines_type(group_with, weights, assert_same):
    def export(learner):
        return learner.sharding.rank, dict(learner.export_weights())

    group = group_with(**FSDP2, lora={"rank": 4}, engine_dtype="bfloat16")
    exported = dict(of_each(group, export))
    assert exported.pop(0).keys() == of_each(group, weights)[0].keys()
    assert set(map(len, exported.values())) == {0}
    first = dict(of_each(group, export))[0]
    assert {str(tensor.dtype) for tensor in first.values()} == {"torch.bfloat16"}
    whole = {name: tensor.bfloat16() for name, tensor in of_each(group, weights)[0].items()}
    assert_same(first, whole, tolerance=0.0)
