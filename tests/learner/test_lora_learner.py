"""A Learner with LoRA: what it trains, what it saves, and its reference without a copy."""

import numpy as np
import pytest
import torch
from peft import PeftModel
from ray.rllib.core import DEFAULT_MODULE_ID
from transformers import AutoModelForCausalLM

from rllib_gigpo.learner.kl.reference import AdapterFreeReference

LORA = {"rank": 4, "alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
SETTINGS = {"lora": LORA, "optim": "adamw", "lr": 1e-2}


def model_of(learner):
    return learner.module[DEFAULT_MODULE_ID].unwrapped().model


def weights_of(learner):
    return {name: value.clone() for name, value in learner.export_weights()}


def test_only_adapters_are_trained_and_the_exported_weights_change(make_learner, train, make_rows):
    learner, rows = make_learner(**SETTINGS), make_rows()
    base = {n: p.clone() for n, p in model_of(learner).named_parameters() if not p.requires_grad}
    before = weights_of(learner)
    train(learner, rows)
    after = weights_of(learner)
    assert all(
        torch.equal(p, base[n]) for n, p in model_of(learner).named_parameters() if n in base
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj", "down_proj"}


@pytest.mark.parametrize("micro_batch_tokens", [1, 100_000])
def test_micro_batches_do_not_change_the_gradient(
    make_learner, train, make_rows, micro_batch_tokens
):
    rows = make_rows(num_minibatches=1)
    learners = [
        make_learner(lora=LORA, num_minibatches=1, micro_batch_tokens=budget)
        for budget in (micro_batch_tokens, 77)
    ]
    torch.manual_seed(0)
    start = {
        n: torch.randn_like(p) * 0.1
        for n, p in model_of(learners[0]).named_parameters()
        if p.requires_grad
    }
    gradients = []
    for learner in learners:
        for name, parameter in model_of(learner).named_parameters():
            if name in start:
                parameter.data.copy_(start[name])
        train(learner, rows)
        gradients.append(
            {n: p.grad for n, p in model_of(learner).named_parameters() if p.requires_grad}
        )
    largest = max(gradient.abs().max().item() for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).abs().max().item() <= 1e-6 * largest


def test_the_reference_is_the_policy_without_its_adapters(make_learner, train, make_rows):
    learner, rows = (
        make_learner(kl_coeff=0.1, num_minibatches=1, **SETTINGS),
        make_rows(num_minibatches=1),
    )
    reference = learner._kl._reference
    assert isinstance(reference, AdapterFreeReference)
    assert reference._adapter.model is model_of(learner)
    assert train(learner, rows)["kl_to_reference"] == pytest.approx(0.0, abs=1e-9)
    assert train(learner, rows)["kl_to_reference"] > 1e-7


def test_a_checkpoint_is_a_merged_folder_with_the_adapter_beside_it(
    make_learner, train, make_rows, model_path, tmp_path
):
    learner, rows = make_learner(**SETTINGS), make_rows()
    train(learner, rows)
    learner.save_to_path(str(tmp_path))
    folder = tmp_path / "rl_module"
    merged = AutoModelForCausalLM.from_pretrained(folder)
    exported = weights_of(learner)
    for name, value in merged.state_dict().items():
        torch.testing.assert_close(value, exported[name])
    start = AutoModelForCausalLM.from_pretrained(model_path)
    theirs = PeftModel.from_pretrained(start, str(folder / "adapter"))
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(
        theirs(input_ids=ids).logits, merged(ids).logits, atol=1e-5, rtol=1e-5
    )


def test_a_restored_learner_goes_on_exactly(make_learner, train, make_rows, tmp_path):
    learner, rows = make_learner(**SETTINGS), make_rows()
    train(learner, rows)
    learner.save_to_path(str(tmp_path))
    other = make_learner(**SETTINGS)
    other.restore_from_path(str(tmp_path))
    assert train(other, rows)["total_loss"] == train(learner, rows)["total_loss"]
    for name, value in weights_of(other).items():
        assert torch.equal(value, weights_of(learner)[name])


def test_a_base_read_from_the_checkpoint_itself_is_merged_only_once(
    make_learner, make_spec, make_config, train, make_rows, tmp_path
):
    from rllib_gigpo.learner.gigpo_learner import GiGPOLearner

    learner, rows = make_learner(**SETTINGS), make_rows()
    train(learner, rows)
    learner.save_to_path(str(tmp_path))
    folder = str(tmp_path / "rl_module")
    config = make_config(**SETTINGS).llm(model_path=folder)
    evaluating = GiGPOLearner(config=config, module_spec=make_spec(config))
    evaluating.build()
    evaluating.restore_from_path(str(tmp_path))
    exported = weights_of(learner)
    for name, value in weights_of(evaluating).items():
        np.testing.assert_allclose(value, exported[name], atol=1e-7)


@pytest.mark.slow
def test_two_learners_train_the_adapters_of_one(
    make_learner, make_group, train, train_group, make_rows, weights_of_each
):
    learner, group, rows = make_learner(**SETTINGS), make_group(2, **SETTINGS), make_rows()
    before = weights_of(learner)
    train(learner, rows)
    train_group(group, rows)
    expected = weights_of(learner)
    moved = max((expected[name] - before[name]).abs().max().item() for name in expected)
    assert moved > 1e-4
    first, second = weights_of_each(group)
    for name, value in first.items():
        assert torch.equal(value, second[name])
        assert (value - expected[name]).abs().max().item() <= 1e-3 * moved, name


def test_hot_adapters_are_all_that_is_exported(make_learner, train, make_rows):
    learner = make_learner(**{**SETTINGS, "lora": {**LORA, "sync": "adapter"}})
    train(learner, make_rows())
    exported = weights_of(learner)
    layers = model_of(learner).config.num_hidden_layers
    assert len(exported) == 2 * 3 * layers
    assert all(name.startswith("base_model.model.model.layers.") for name in exported)


@pytest.mark.parametrize("name", ["head", "model"])
def test_a_critic_is_trained_whole_beside_the_adapters_and_restored(
    make_learner, train, make_rows, name, tmp_path
):
    settings = {**SETTINGS, "rule": "ppo", "critic": {"name": name, "lr": 1e-2}}
    learner, rows = make_learner(**settings), make_rows(has_values=True)
    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    losses = [train(learner, rows)["vf_loss"] for _ in range(4)]
    assert losses[-1] < losses[0]
    changed = {n for n, p in module.named_parameters() if not torch.equal(p, before[n])}
    adapters = {name for name in before if ".lora_" in name}
    own = {name for name in before if name.startswith("critic.")}
    assert changed == adapters | own
    assert not any(".lora_" in name for name in own)
    learner.save_to_path(str(tmp_path))
    other = make_learner(**settings)
    other.restore_from_path(str(tmp_path))
    values = learner.values(rows)
    assert values.any()
    np.testing.assert_array_equal(other.values(rows), values)
    assert train(other, rows)["total_loss"] == train(learner, rows)["total_loss"]
