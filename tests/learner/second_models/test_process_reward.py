"""The process reward model in the Learner: its rewards, its exact gradient, its state."""

import dataclasses

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from support.models.learner_groups import of_each

from rllib_gigpo.credit.pair_loss import pair_loss
from rllib_gigpo.learner.learner_calls import LearnerCalls

BETA = 0.5
SETTINGS = {"rule": "istar", "process_reward": {"beta": BETA, "lr": 0.5}}
GROUPS = np.repeat([0, 1, 2], 4)
TRAJECTORIES = np.array([0, 0, 0, 1, 2, 3, 3, 4, 5, 5, 6, 6])
WON = np.isin(TRAJECTORIES, [0, 3, 5, 6])  # the last task has successes only


def module_of(learner):
    return learner.module[DEFAULT_MODULE_ID].unwrapped()


def weights_of(learner):
    """Return copies of the process reward model's weights, tied ones once."""
    return {n: p.detach().clone() for n, p in module_of(learner).process_reward.named_parameters()}


def with_gradients(learner, rows):
    """Return the rows as the credit pipeline would send them."""
    rewards = learner.implicit_rewards(rows)
    found = pair_loss(rewards, GROUPS, TRAJECTORIES, WON)
    return dataclasses.replace(rows, pair_gradients=(BETA * found.gradients).astype(np.float32))


def disturb(learner):
    """Move both models apart, and away from the start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module_of(learner).parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)


def sums_of_logp(model, rows):
    """Return Σ log π of each response with transformers alone, (R,) with gradient."""
    sums = []
    for row in range(rows.num_rows):
        tokens = rows.token_ids[rows.row_offsets[row] : rows.row_offsets[row + 1]]
        ids = torch.from_numpy(tokens).long()[None]
        logp = model(input_ids=ids).logits[0].log_softmax(-1)
        places = torch.arange(rows.prompt_lengths[row], ids.shape[1])
        sums.append(logp[places - 1, ids[0, places]].sum())
    return torch.stack(sums)


def plain_loss(rewards):
    """Compute the loss pair by pair."""
    ids, losses = np.unique(TRAJECTORIES), []
    scores = {int(n): rewards[torch.from_numpy(n == TRAJECTORIES)].mean() for n in ids}
    facts = {int(n): (GROUPS[n == TRAJECTORIES][0], WON[n == TRAJECTORIES][0]) for n in ids}
    for good in scores:
        for bad in scores:
            if facts[good][0] == facts[bad][0] and facts[good][1] and not facts[bad][1]:
                losses.append(-torch.nn.functional.logsigmoid(scores[good] - scores[bad]))
    return torch.stack(losses).mean()


def test_a_model_begins_as_the_policy_and_rewards_nothing(make_learner, make_rows):
    learner = make_learner(**SETTINGS)
    module = module_of(learner)
    for name, weight in module.process_reward.model.named_parameters():
        assert torch.equal(weight, module.model.get_parameter(name))
    assert not learner.implicit_rewards(make_rows()).any()


def test_the_rewards_are_scaled_log_ratios_of_the_answers(make_learner, make_rows):
    learner, rows = make_learner(**SETTINGS), make_rows()
    disturb(learner)
    module = module_of(learner)
    models = (module.process_reward.model, module.model)
    own, policy = (sums_of_logp(model, rows).detach().numpy() for model in models)
    rewards = learner.implicit_rewards(rows)
    assert np.abs(rewards).min() > 1e-4
    np.testing.assert_allclose(rewards, BETA * (own - policy), atol=1e-5)


@pytest.mark.parametrize("micro_batch_tokens", [1, 50, 100_000])
@pytest.mark.parametrize("sharing", [{}, {"prefix_sharing": True}], ids=["rows", "trees"])
def test_a_step_follows_the_gradient_of_the_plain_loss(
    make_learner, make_rows, train, micro_batch_tokens, sharing
):
    learner = make_learner(**SETTINGS, micro_batch_tokens=micro_batch_tokens, **sharing)
    disturb(learner)
    rows = with_gradients(learner, make_rows())
    module = module_of(learner)
    model, before = module.process_reward.model, weights_of(learner)
    old = sums_of_logp(module.model, rows).detach()
    loss = plain_loss(BETA * (sums_of_logp(model, rows) - old))
    named = dict(module.process_reward.named_parameters())
    expected = dict(zip(named, torch.autograd.grad(loss, [*named.values()]), strict=True))
    metrics = train(learner, rows)
    norm = torch.stack([one.square().sum() for one in expected.values()]).sum().sqrt().item()
    assert metrics["process_reward_grad_norm"] == pytest.approx(norm, rel=1e-5)
    for name, weight in weights_of(learner).items():
        found = (before[name] - weight) / 0.5
        torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=1e-6 * max(1, norm))


def test_the_policys_update_is_that_without_the_model(make_learner, make_rows, train):
    rows = make_rows()
    settings = {"optim": "adamw", "num_minibatches": 2}
    with_model, without = make_learner(**SETTINGS, **settings), make_learner(**settings)
    train(with_model, with_gradients(with_model, rows))
    train(without, rows)
    expected = dict(without.export_weights())
    for name, weight in with_model.export_weights():
        assert torch.equal(weight, expected[name]), name


def test_updates_teach_to_tell_successes_from_failures(make_learner, make_rows, train):
    learner = make_learner(**SETTINGS, lr=0.0)
    losses = []
    for _ in range(6):
        rows = make_rows()
        found = pair_loss(learner.implicit_rewards(rows), GROUPS, TRAJECTORIES, WON)
        losses.append(found.loss)
        train(learner, with_gradients(learner, rows))
    assert losses[0] == pytest.approx(np.log(2))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]
    assert found.accuracy > 0.8


def test_without_pairs_there_is_no_step_and_no_decay(make_learner, make_rows, train):
    learner = make_learner(**SETTINGS, optim={"name": "adamw", "weight_decay": 0.5})
    rows = make_rows()
    train(learner, with_gradients(learner, rows))
    before = weights_of(learner)
    nothing = dataclasses.replace(rows, pair_gradients=np.zeros(rows.num_rows, dtype=np.float32))
    assert np.isnan(train(learner, nothing)["process_reward_grad_norm"])  # RLlib's "not logged"
    for name, weight in weights_of(learner).items():
        assert torch.equal(weight, before[name]), name


def test_a_gradient_that_is_not_finite_takes_no_step(make_learner, make_rows, train):
    learner, rows = make_learner(**SETTINGS), make_rows()
    poisoned = np.full(rows.num_rows, np.inf, dtype=np.float32)
    before = weights_of(learner)
    metrics = train(learner, dataclasses.replace(rows, pair_gradients=poisoned))
    assert not np.isfinite(metrics["process_reward_grad_norm"])
    assert metrics["num_skipped_steps"] == 0
    for name, weight in weights_of(learner).items():
        assert torch.equal(weight, before[name]), name


def test_the_gradient_is_clipped_by_its_own_norm(make_learner, make_rows, train):
    learner = make_learner(**SETTINGS, grad_clip=1e-3)
    before = weights_of(learner)
    train(learner, with_gradients(learner, make_rows()))
    moved = [(before[name] - weight).square().sum() for name, weight in weights_of(learner).items()]
    assert torch.stack(moved).sum().sqrt().item() == pytest.approx(0.5 * 1e-3, rel=1e-3)


def test_the_model_has_its_own_learning_rate_under_the_same_schedule(
    make_learner, make_rows, train
):
    schedule = {"name": "constant", "warmup_iterations": 2}
    learner = make_learner(**SETTINGS, lr=0.1, lr_schedule=schedule)
    train(learner, with_gradients(learner, make_rows()))
    rates = [group["lr"] for group in learner._optimizer.param_groups]
    assert rates == pytest.approx([0.05, 0.25])


def test_rows_without_gradients_are_an_error(make_learner, make_rows, train):
    with pytest.raises(ValueError, match="lack pair_gradients, which a process reward model needs"):
        train(make_learner(**SETTINGS), make_rows())


@pytest.mark.parametrize("optim", ["sgd", "adamw"])
@pytest.mark.parametrize("more", [{}, {"lora": {"rank": 4}}], ids=["whole", "lora"])
def test_a_restored_learner_goes_on_with_its_model(
    make_learner, make_rows, train, tmp_path, optim, more
):
    settings = {**SETTINGS, "optim": optim, "lr": 1e-2, **more}
    learner, other = make_learner(**settings), make_learner(**settings)
    train(learner, with_gradients(learner, make_rows()))
    learner.save_to_path(str(tmp_path))
    other.restore_from_path(str(tmp_path))
    rows = make_rows(seed=1)
    rewards = learner.implicit_rewards(rows)
    assert rewards.any()
    np.testing.assert_array_equal(other.implicit_rewards(rows), rewards)
    for one in (learner, other):
        train(one, with_gradients(one, rows))
    np.testing.assert_array_equal(other.implicit_rewards(rows), learner.implicit_rewards(rows))
    assert not any("process_reward" in name for name, _ in learner.export_weights())


def test_beside_adapters_the_model_is_trained_whole(make_learner, make_rows, train):
    learner = make_learner(**SETTINGS, lora={"rank": 4})
    rows = make_rows()
    assert not learner.implicit_rewards(rows).any()
    before = weights_of(learner)
    train(learner, with_gradients(learner, rows))
    assert all(not torch.equal(before[name], one) for name, one in weights_of(learner).items())
    assert not any(".lora_" in name for name in before)


@pytest.mark.parametrize(
    "with_pairs",
    [
        pytest.param(np.arange(12), id="all", marks=pytest.mark.slow),
        pytest.param(np.array([3]), id="one"),
    ],
)
def test_two_learners_have_the_model_of_one(
    make_learner, make_group, make_rows, train, train_group, with_pairs
):
    rows = make_rows(has_pairs=True)
    chosen = np.zeros(12, dtype=np.float32)  # in the second case, a Learner has no pair
    chosen[with_pairs] = rows.pair_gradients[with_pairs]
    rows = dataclasses.replace(rows, pair_gradients=chosen)
    local, two = make_learner(**SETTINGS), make_group(2, **SETTINGS)
    metrics = [train(local, rows), *train_group(two, rows)]
    norms = [one["process_reward_grad_norm"] for one in metrics]
    assert norms[1:] == pytest.approx(norms[:1] * 2, rel=1e-5)
    expected, (first, second) = weights_of(local), of_each(two, weights_of)
    for name, weight in expected.items():
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-6)
        assert torch.equal(first[name], second[name]), name
    found = LearnerCalls(two, timeout_s=60.0).score(rows, "implicit_rewards")
    assert found.any()
    np.testing.assert_allclose(found, local.implicit_rewards(rows), rtol=1e-5, atol=1e-6)


def test_rewards_in_bfloat16_begin_at_zero_too(make_learner, make_rows):
    learner = make_learner(**SETTINGS, autocast_dtype="bfloat16", old_logp="recompute")
    assert not learner.implicit_rewards(make_rows()).any()
