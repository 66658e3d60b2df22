import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from support.losses import LOSSES
from support.own_losses import reinforce
from transformers import AutoModelForCausalLM


def weights_of(learner):
    return {name: tensor.clone() for name, tensor in learner.export_weights()}


def assert_same(weights, others, *, tolerance):
    largest = max(tensor.abs().max().item() for tensor in others.values())
    for name, tensor in weights.items():
        difference = (tensor - others[name]).abs().max().item()
        assert difference <= tolerance * largest, (name, difference, largest)


def gradients_of(learner):
    """Return the gradients of the last step; nothing clears them after it."""
    return {n: p.grad.clone() for n, p in learner.module[DEFAULT_MODULE_ID].named_parameters()}


def slow_reference(model_path, rows, *, lr):
    """Take SGD steps per mini-batch, row by row in plain torch: PPO clip, dual clip, token mean."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    offsets, response_offsets = rows.row_offsets, rows.response_offsets
    for minibatch in range(rows.num_minibatches):
        loss, count = torch.zeros(()), 0
        for row in np.flatnonzero(rows.minibatch_ids == minibatch):
            tokens = torch.from_numpy(rows.token_ids[offsets[row] : offsets[row + 1]]).long()
            all_logp = model(input_ids=tokens[None]).logits[0].log_softmax(-1)
            for k, s in enumerate(range(response_offsets[row], response_offsets[row + 1])):
                position = int(rows.prompt_lengths[row]) + k
                logp = all_logp[position - 1, tokens[position]]
                ratio = torch.exp(logp - float(rows.rollout_logp[s]))
                advantage = float(rows.advantages[s])
                term = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
                loss = loss - (torch.clamp(term, min=3 * advantage) if advantage < 0 else term)
                count += 1
        model.zero_grad()
        (loss / count).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * parameter.grad
    return model.state_dict()


def test_an_update_equals_plain_torch_row_by_row(make_learner, train, make_rows, model_path):
    learner, rows = make_learner(lr=0.1), make_rows()
    train(learner, rows)
    assert_same(weights_of(learner), slow_reference(model_path, rows, lr=0.1), tolerance=1e-6)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 100_000])
def test_the_micro_batch_budget_does_not_change_the_gradient(
    make_learner, train, make_rows, micro_batch_tokens, loss
):
    rows = make_rows(num_minibatches=1)
    settings = {"num_minibatches": 1, "kl_coeff": 0.1, "entropy_coeff": 0.01, **loss}
    one, other = (
        make_learner(micro_batch_tokens=budget, **settings) for budget in (micro_batch_tokens, 77)
    )
    train(one, rows)
    train(other, rows)
    assert_same(gradients_of(one), gradients_of(other), tolerance=1e-6)
    assert_same(weights_of(one), weights_of(other), tolerance=1e-6)


def test_the_order_of_rows_does_not_matter(make_learner, train, make_rows):
    rows = make_rows()
    shuffled = rows.select(np.random.default_rng(1).permutation(rows.num_rows))
    one, other = make_learner(), make_learner()
    train(one, rows)
    train(other, shuffled)
    assert_same(weights_of(one), weights_of(other), tolerance=1e-6)


def test_rows_of_weight_zero_are_inert(make_learner, train, make_rows):
    weights = np.ones(12)
    weights[8:] = 0.0
    with_padding = make_rows(weights=weights)
    one, other = make_learner(), make_learner()
    padded = train(one, with_padding)
    bare = train(other, with_padding.select(np.arange(8)))
    assert_same(weights_of(one), weights_of(other), tolerance=1e-6)
    assert padded["num_response_tokens"] == bare["num_response_tokens"]
    assert padded["max_ratio_deviation"] == pytest.approx(bare["max_ratio_deviation"], abs=1e-5)


def test_fresh_rollout_log_probs_have_a_ratio_of_one(make_learner, train, make_rows, model_path):
    rows = with_exact_logp(make_rows(), model_path)
    metrics = train(make_learner(lr=0.5), rows)
    assert metrics["max_ratio_deviation_fresh"] < 2e-6
    # After the first of the two steps, it is no longer 1.
    assert metrics["max_ratio_deviation"] > 1e-4


def with_exact_logp(rows, model_path):
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    offsets, logps = rows.row_offsets, []
    for row in range(rows.num_rows):
        tokens = torch.from_numpy(rows.token_ids[offsets[row] : offsets[row + 1]]).long()
        with torch.no_grad():
            all_logp = model(input_ids=tokens[None]).logits[0].log_softmax(-1)
        start = int(rows.prompt_lengths[row])
        logps += [all_logp[t - 1, tokens[t]].item() for t in range(start, len(tokens))]
    return dataclasses.replace(rows, rollout_logp=np.array(logps, dtype=np.float32))


def poisoned(rows, minibatch):
    """Return the rows with one NaN advantage in a mini-batch."""
    advantages = rows.advantages.copy()
    row = np.flatnonzero(rows.minibatch_ids == minibatch)[0]
    advantages[rows.response_offsets[row]] = np.nan
    return dataclasses.replace(rows, advantages=advantages)


def test_a_nan_skips_its_step_only_and_is_counted(make_learner, train, make_rows):
    rows = make_rows()
    one, other = make_learner(optim="adamw"), make_learner(optim="adamw")
    metrics = train(one, poisoned(rows, 0))
    assert metrics["num_skipped_steps"] == 1
    assert metrics["num_steps"] == 1
    assert math.isfinite(metrics["total_loss"])
    counts = np.array([0.0, rows.minibatch_token_counts[1]])
    second = rows.select(rows.minibatch_ids == 1)
    train(other, dataclasses.replace(second, minibatch_token_counts=counts))
    # The other mini-batch takes its step as if the first did not exist.
    assert_same(weights_of(one), weights_of(other), tolerance=1e-6)


def test_the_metrics_are_means_over_response_tokens(make_learner, train, make_rows, model_path):
    rows = with_exact_logp(make_rows(num_minibatches=1), model_path)
    old = rows.rollout_logp - np.float32(math.log(1.1))
    metrics = train(make_learner(num_minibatches=1), dataclasses.replace(rows, rollout_logp=old))
    assert metrics["num_response_tokens"] == rows.response_lengths.sum()
    assert metrics["ratio_mean"] == pytest.approx(1.1, abs=1e-5)
    assert metrics["ratio_deviation"] == pytest.approx(0.1, abs=1e-5)
    assert metrics["approx_kl"] == pytest.approx(0.1 - math.log(1.1), abs=1e-5)
    assert metrics["policy_loss"] == pytest.approx(-1.1 * rows.advantages.mean(), abs=1e-4)
    assert metrics["total_loss"] == pytest.approx(metrics["policy_loss"], abs=1e-6)
    assert metrics["clip_fraction"] == 0.0


def test_the_divergence_is_taken_from_the_start_weights(make_learner, train, make_rows):
    learner, rows = make_learner(kl_coeff=0.1, num_minibatches=1), make_rows(num_minibatches=1)
    assert train(learner, rows)["kl_to_reference"] == pytest.approx(0.0, abs=1e-9)
    assert train(learner, rows)["kl_to_reference"] > 1e-6


def test_recomputed_log_probs_start_the_ratio_at_one_and_show_the_mismatch(
    make_learner, train, make_rows, model_path
):
    exact = with_exact_logp(make_rows(num_minibatches=1), model_path)
    # Pretend that the engine reports each token as half as likely.
    rows = dataclasses.replace(exact, rollout_logp=exact.rollout_logp - math.log(2))
    learner = make_learner(num_minibatches=1, old_logp="recompute")
    metrics = train(learner, rows)
    assert metrics["ratio_deviation"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["rollout_kl"] == pytest.approx(-math.log(2), abs=1e-5)
    assert metrics["max_abs_logp_diff"] == pytest.approx(math.log(2), abs=1e-5)
    # Freshness is still measured against what the engine reported.
    assert metrics["max_ratio_deviation_fresh"] == pytest.approx(1.0, abs=1e-5)
    other = make_learner(num_minibatches=1)
    train(other, exact)
    assert_same(weights_of(learner), weights_of(other), tolerance=1e-6)


def test_without_recomputing_the_first_mini_batch_shows_the_mismatch(
    make_learner, train, make_rows, model_path
):
    exact = with_exact_logp(make_rows(), model_path)
    # Pretend that the engine reports one token per mini-batch as half, and 1/8, as likely.
    rollout_logp = exact.rollout_logp.copy()
    for minibatch, factor in enumerate((2, 8)):
        row = np.flatnonzero(exact.minibatch_ids == minibatch)[0]
        rollout_logp[exact.response_offsets[row]] -= math.log(factor)
    rows = dataclasses.replace(exact, rollout_logp=rollout_logp)
    metrics = train(make_learner(lr=0.5), rows)
    # The model changes in the first step, so the second mini-batch's 1/8 does not count.
    num_tokens = rows.minibatch_token_counts[0]
    assert metrics["rollout_kl"] == pytest.approx(-math.log(2) / num_tokens, abs=1e-5)
    assert metrics["max_abs_logp_diff"] == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize(
    ("importance", "factor", "capped"),
    [
        ({"level": "token", "cap": 4.0}, 3.0, 0.0),
        ({"level": "token", "cap": 2.0}, 2.0, 1.0),
        ({"level": "token", "mask": True}, 0.0, 1.0),
    ],
)
def test_the_importance_of_a_token_scales_its_gradient(
    make_learner, train, make_rows, model_path, importance, factor, capped
):
    exact = with_exact_logp(make_rows(num_minibatches=1), model_path)
    rows = dataclasses.replace(exact, rollout_logp=exact.rollout_logp - math.log(3))
    learner = make_learner(num_minibatches=1, old_logp="recompute", importance_sampling=importance)
    metrics = train(learner, rows)
    assert metrics["importance_capped_share"] == capped
    assert metrics["importance_mean"] == pytest.approx(factor, abs=1e-5)
    plain = make_learner(num_minibatches=1)
    train(plain, exact)
    expected = {name: factor * gradient for name, gradient in gradients_of(plain).items()}
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    for name, gradient in gradients_of(learner).items():
        assert (gradient - expected[name]).abs().max().item() <= max(1e-5 * largest, 1e-9)


def test_the_weight_of_the_divergence_follows_its_target_and_is_saved(
    make_learner, train, make_rows
):
    kl = {"target": 1e-6, "horizon": 120}
    settings = {"kl_coeff": 0.1, "kl": kl, "num_minibatches": 1}
    learner, rows = make_learner(**settings), make_rows(num_minibatches=1)
    # No divergence yet: an error of -100 %, clipped to -20 %, over 12 of 120 rows.
    train(learner, rows)
    assert learner._kl.coeff == pytest.approx(0.1 * (1 - 0.2 * 12 / 120))
    # Now far above the target.
    train(learner, rows)
    assert learner._kl.coeff == pytest.approx(0.098 * (1 + 0.2 * 12 / 120))
    other = make_learner(**settings)
    other.set_state(learner.get_state())
    assert other._kl.coeff == learner._kl.coeff


def test_gradients_are_clipped_to_the_global_norm(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1)
    learner = make_learner(grad_clip=0.01, lr=1.0, num_minibatches=1)
    metrics = train(learner, rows)
    norm = math.sqrt(sum(tensor.square().sum().item() for tensor in gradients_of(learner).values()))
    assert metrics["grad_norm"] > 0.1
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_each_epoch_steps_once_per_mini_batch(make_learner, train, make_rows):
    assert train(make_learner(num_epochs=3), make_rows())["num_steps"] == 6


def test_the_learning_rate_follows_the_iterations(make_learner, train, make_rows):
    learner, rows = make_learner(lr=0.4, lr_schedule={"warmup_iterations": 4}), make_rows()
    rates = [train(learner, rows)["default_optimizer_learning_rate"] for _ in range(3)]
    assert rates == pytest.approx([0.1, 0.2, 0.3])


def test_exported_weights_have_hugging_face_names_and_the_tied_head(
    make_learner, train, make_rows, model_path
):
    learner = make_learner()
    names = set(AutoModelForCausalLM.from_pretrained(model_path).state_dict())
    exported = weights_of(learner)
    assert set(exported) == names
    assert torch.equal(exported["lm_head.weight"], exported["model.embed_tokens.weight"])
    kept = dict(learner.export_weights())
    train(learner, make_rows())
    # A later step does not change the exported tensors.
    assert torch.equal(kept["lm_head.weight"], exported["lm_head.weight"])
    assert not any(tensor.requires_grad for tensor in kept.values())


def test_weights_travel_in_the_type_of_the_engine(make_learner):
    learner, plain = make_learner(engine_dtype="bfloat16"), make_learner()
    assert {p.dtype for p in learner.module[DEFAULT_MODULE_ID].parameters()} == {torch.float32}
    expected = weights_of(plain)
    for name, tensor in learner.export_weights():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor, expected[name].bfloat16())


OWN_LOSSES = {
    "class": ("support.own_losses:Reinforce", 1.0),
    "options": ({"name": "support.own_losses:Reinforce", "scale": 3.0}, 3.0),
    "function by path": ("support.own_losses:reinforce", 1.0),
    "function": (reinforce, 1.0),
}


@pytest.mark.parametrize(("policy_loss", "scale"), OWN_LOSSES.values(), ids=OWN_LOSSES)
def test_a_loss_of_the_user_is_what_is_minimised(
    make_learner, train, make_rows, model_path, policy_loss, scale
):
    rows = with_exact_logp(make_rows(num_minibatches=1), model_path)
    learner = make_learner(num_minibatches=1, policy_loss=policy_loss)
    expected = scale * -(rows.advantages * rows.rollout_logp).mean()
    metrics = train(learner, rows)
    assert metrics["policy_loss"] == pytest.approx(expected, abs=1e-5)
    # At a ratio of 1, PPO has REINFORCE's gradient, but not its loss.
    plain = make_learner(num_minibatches=1)
    assert train(plain, rows)["policy_loss"] != pytest.approx(expected, abs=1e-2)
    expected = {name: scale * gradient for name, gradient in gradients_of(plain).items()}
    assert_same(gradients_of(learner), expected, tolerance=1e-5)


@pytest.mark.parametrize("optim", ["adamw", "sgd"])
def test_a_restored_learner_goes_on_exactly(make_learner, train, make_rows, optim):
    settings = {"optim": optim, "lr": 0.01, "kl_coeff": 0.1}
    settings |= {"lr_schedule": {"name": "linear", "decay_iterations": 8}}
    learner, restored = make_learner(**settings), make_learner(**settings)
    for seed in range(2):
        train(learner, make_rows(seed=seed))
    state = learner.get_state()
    expected = train(learner, make_rows(seed=2))
    restored.set_state(state)
    metrics = train(restored, make_rows(seed=2))
    assert_same(weights_of(restored), weights_of(learner), tolerance=0.0)
    for name in ("total_loss", "kl_to_reference", "default_optimizer_learning_rate"):
        assert metrics[name] == expected[name]


def test_an_older_state_can_be_restored_into_the_same_learner(make_learner, train, make_rows):
    learner = make_learner(optim="adamw", lr=0.01)
    train(learner, make_rows())
    state, expected = learner.get_state(), weights_of(learner)
    train(learner, make_rows(seed=1))
    learner.set_state(state)
    assert_same(weights_of(learner), expected, tolerance=0.0)


def test_options_of_the_optimiser_are_the_configs_also_after_restoring(
    make_learner, train, make_rows
):
    learner = make_learner(optim={"name": "adamw", "weight_decay": 0.1})
    train(learner, make_rows())
    other = make_learner(optim={"name": "adamw", "weight_decay": 0.0})
    other.set_state(learner.get_state())
    optimizer = other.get_optimizer("default_policy")
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0}
    assert optimizer.state  # the moments come from the state


def test_a_saved_learner_is_the_same_after_restoring(make_learner, train, make_rows, tmp_path):
    learner, restored = (make_learner(optim="adamw", lr=0.01) for _ in range(2))
    train(learner, make_rows())
    learner.save_to_path(tmp_path)
    restored.restore_from_path(tmp_path)
    for seed in (1, 2):
        train(learner, make_rows(seed=seed))
        train(restored, make_rows(seed=seed))
    assert_same(weights_of(restored), weights_of(learner), tolerance=0.0)


def test_an_update_without_token_rows_is_an_error(make_learner):
    with pytest.raises(ValueError, match="TrainingRows"):
        make_learner().update(batch={})


def test_an_unknown_optimizer_is_an_error(make_learner):
    with pytest.raises(ValueError, match="'lion'"):
        make_learner(optim="lion")


@pytest.mark.fault(
    "B13", promise="An environment that switches gradients off does not end the run."
)
def test_an_update_has_gradients_even_if_the_thread_has_none(make_learner, train, make_rows):
    learner = make_learner()
    with torch.no_grad():
        assert train(learner, make_rows())["grad_norm"] > 0


@pytest.mark.fault("B13", promise="An environment may change the working directory.")
def test_a_model_is_saved_from_another_folder(make_learner, model_path, monkeypatch, tmp_path):
    folder = Path(model_path)
    monkeypatch.chdir(folder.parent)
    learner = make_learner(model_path=folder.name)
    monkeypatch.chdir(tmp_path)
    learner.save_to_path(tmp_path / "saved")
    assert list((tmp_path / "saved").rglob("tokenizer.json"))
