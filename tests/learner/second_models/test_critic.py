"""The critic in the Learner: its gradient, learning rate, values, and state in a checkpoint."""

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID

OPTIONS = {"vf_clip_param": None, "lr": 0.1}
HEAD, MODEL = ({"name": name, **OPTIONS} for name in ("head", "model"))
CRITICS = pytest.mark.parametrize("critic", [HEAD, MODEL], ids=["head", "model"])


def critic_of(learner):
    return learner.module[DEFAULT_MODULE_ID].unwrapped().critic


def gradients_of(learner):
    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


def assert_same(tensors, others, *, tolerance=1e-6):
    largest = max(tensor.abs().max().item() for tensor in others.values())
    assert largest > 0
    for name, tensor in tensors.items():
        assert (tensor - others[name]).abs().max().item() <= tolerance * largest, name


@CRITICS
def test_a_critic_begins_at_zero_and_learns_its_targets(make_learner, train, make_rows, critic):
    rows = make_rows(num_minibatches=1, has_values=True)
    learner = make_learner(critic=critic, num_minibatches=1, rule="ppo")
    assert not learner.values(rows).any()
    first = train(learner, rows)
    assert first["vf_loss"] == pytest.approx(np.mean(rows.value_targets**2), rel=1e-5)
    assert first["vf_error"] == pytest.approx(np.abs(rows.value_targets).mean(), rel=1e-5)
    for _ in range(5):
        last = train(learner, rows)
    assert last["vf_loss"] < first["vf_loss"]
    assert learner.values(rows).any()


@CRITICS
@pytest.mark.parametrize("micro_batch_tokens", [1, 100_000])
def test_micro_batches_do_not_change_the_critics_gradient(
    make_learner, train, make_rows, critic, micro_batch_tokens
):
    rows = make_rows(num_minibatches=1, has_values=True)
    one, other = (
        make_learner(critic=critic, num_minibatches=1, micro_batch_tokens=budget, rule="ppo")
        for budget in (micro_batch_tokens, 77)
    )
    train(one, rows)
    train(other, rows)
    assert_same(gradients_of(one), gradients_of(other))


def test_the_values_are_those_of_the_last_prompt_tokens(make_learner, make_rows):
    rows = make_rows(has_values=True)
    learner = make_learner(critic=HEAD, rule="ppo")
    critic, model = critic_of(learner), learner.module[DEFAULT_MODULE_ID].unwrapped().model
    torch.nn.init.normal_(critic.value.weight, generator=torch.manual_seed(0))
    expected = []
    for row in range(rows.num_rows):
        start = rows.row_offsets[row]
        prompt = torch.from_numpy(rows.token_ids[start : start + rows.prompt_lengths[row]]).long()
        hidden = model.base_model(input_ids=prompt[None]).last_hidden_state[0, -1]
        expected.append(critic.value(hidden).item())
    np.testing.assert_allclose(learner.values(rows), expected, atol=1e-5)


def test_a_model_of_its_own_leaves_the_policys_gradient_alone(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1, has_values=True)
    with_critic = make_learner(critic=MODEL, num_minibatches=1, rule="ppo")
    without = make_learner(num_minibatches=1)
    train(with_critic, rows)
    train(without, rows)
    found = {n: g for n, g in gradients_of(with_critic).items() if not n.startswith("critic")}
    assert_same(found, gradients_of(without))


def test_the_critic_has_a_learning_rate_of_its_own_under_the_same_schedule(
    make_learner, train, make_rows
):
    learner = make_learner(
        critic={"name": "head", "lr": 0.4},
        rule="ppo",
        lr=0.1,
        lr_schedule={"name": "constant", "warmup_iterations": 2},
    )
    train(learner, make_rows(has_values=True))
    assert [group["lr"] for group in learner._optimizer.param_groups] == pytest.approx([0.05, 0.2])


@CRITICS
def test_a_restored_learner_has_its_critic(make_learner, train, make_rows, critic, tmp_path):
    rows = make_rows(has_values=True)
    learner = make_learner(critic=critic, optim="adamw", rule="ppo")
    train(learner, rows)
    learner.save_to_path(str(tmp_path))
    other = make_learner(critic=critic, optim="adamw", rule="ppo")
    other.restore_from_path(str(tmp_path))
    np.testing.assert_array_equal(other.values(rows), learner.values(rows))
    assert train(other, rows)["vf_loss"] == train(learner, rows)["vf_loss"]
    exported = dict(learner.export_weights())
    assert not any("critic" in name for name in exported)


@pytest.mark.slow
def test_two_learners_have_the_critic_of_one(make_learner, make_group, train, make_rows):
    rows = make_rows(has_values=True)
    settings = {"critic": HEAD, "lr": 0.1, "rule": "ppo"}
    local, two = make_learner(**settings), make_group(2, **settings)
    train(local, rows)
    from rllib_gigpo.learner.training_rows import TrainingRows

    two.update(training_data=TrainingRows(rows=rows))
    shares = [rows.select(np.arange(rank, rows.num_rows, 2)) for rank in range(2)]
    parts = [
        part.get()
        for part in two.foreach_learner(
            lambda learner: learner.values(shares[learner.sharding.rank])
        )
    ]
    expected = local.values(rows)
    assert expected.any()
    for rank in range(2):
        np.testing.assert_allclose(parts[rank], expected[rank::2], atol=1e-6)


def test_a_critic_without_targets_is_an_error(make_learner, train, make_rows):
    with pytest.raises(ValueError, match="old_values and value_targets"):
        train(make_learner(critic=HEAD, rule="ppo"), make_rows())
