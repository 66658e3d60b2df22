"""Adapters: what they change, what they leave alone, and how they merge into plain weights."""

import sys

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import CheckpointError, ConfigError, MissingExtraError
from rllib_gigpo.models.lora import (
    adapter_weights,
    add_lora,
    has_lora,
    load_adapter,
    lora_disabled,
    merged_weights,
    save_adapter,
)
from rllib_gigpo.models.lora_settings import LoraSettings

IDS = torch.tensor([[1, 2, 3, 4, 5]])


def make_model(*, tied=True):
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    return Qwen2ForCausalLM(config)


def with_lora(model, **settings):
    """Add adapters that have an effect: B is not 0."""
    add_lora(model, LoraSettings(rank=4, alpha=8, **settings))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1, generator=generator)
    return model


def test_fresh_adapters_change_nothing_and_are_all_that_is_trained():
    plain, model = make_model(), make_model()
    assert not has_lora(model)
    add_lora(model, LoraSettings(rank=4))
    assert has_lora(model)
    assert torch.equal(model(IDS).logits, plain(IDS).logits)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    assert not any("lm_head" in name or "embed" in name for name in trained)


def test_a_seed_decides_about_the_start_and_the_global_generator_is_left_alone():
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(models))
        before = torch.random.get_rng_state()
        models.append(make_model())
        torch.random.set_rng_state(before)
        add_lora(models[-1], LoraSettings(rank=4), seed=seed)
        assert torch.equal(torch.random.get_rng_state(), before)
    first, again, other = (
        torch.cat([p.flatten() for n, p in model.named_parameters() if ".lora_A" in n])
        for model in models
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("tied", [True, False])
def test_merged_weights_are_a_plain_model_that_does_the_same(tied):
    model = with_lora(make_model(tied=tied))
    plain = make_model(tied=tied)
    merged = dict(merged_weights(model))
    assert set(merged) == set(plain.state_dict())
    plain.load_state_dict(merged)
    torch.testing.assert_close(plain(IDS).logits, model(IDS).logits, atol=1e-5, rtol=1e-5)
    layer = model.model.layers[0].self_attn.q_proj
    expected = layer.base_layer.weight + 2.0 * (
        layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    )
    torch.testing.assert_close(merged["model.layers.0.self_attn.q_proj.weight"], expected)


def test_without_adapters_the_merged_weights_are_the_weights():
    model = make_model()
    for name, value in merged_weights(model):
        assert torch.equal(value, model.state_dict()[name])


def test_disabled_adapters_give_the_start_model_back_for_a_while():
    model, start = with_lora(make_model()), make_model()
    changed = model(IDS).logits
    with lora_disabled(model):
        assert torch.equal(model(IDS).logits, start(IDS).logits)
    assert torch.equal(model(IDS).logits, changed)
    trained = [p for name, p in model.named_parameters() if ".lora_" in name]
    assert all(parameter.requires_grad for parameter in trained)


def test_a_saved_adapter_is_read_by_peft_and_by_us(tmp_path):
    from peft import PeftModel

    settings = LoraSettings(rank=4, alpha=8, target_modules=["q_proj", "down_proj"])
    model = with_lora(make_model(), target_modules=["q_proj", "down_proj"])
    save_adapter(model, settings, tmp_path, dict(adapter_weights(model)))
    theirs = PeftModel.from_pretrained(make_model(), str(tmp_path))
    torch.testing.assert_close(theirs(input_ids=IDS).logits, model(IDS).logits)
    ours = make_model()
    add_lora(ours, settings)
    load_adapter(ours, tmp_path)
    assert torch.equal(ours(IDS).logits, model(IDS).logits)


def test_an_adapter_of_another_size_or_none_is_refused(tmp_path):
    model = with_lora(make_model())
    with pytest.raises(CheckpointError, match="made without lora"):
        load_adapter(model, tmp_path)
    save_adapter(model, LoraSettings(rank=4), tmp_path, dict(adapter_weights(model)))
    other = make_model()
    add_lora(other, LoraSettings(rank=2))
    with pytest.raises(CheckpointError, match="the config that made the checkpoint"):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("targets", [["query"], "query", ["q_proj", "query"], ["self_attn"]])
def test_targets_that_match_no_layer_are_refused_with_those_that_there_are(targets):
    with pytest.raises(ConfigError, match=r"(query|self_attn).*down_proj, .*q_proj, up_proj, v_"):
        add_lora(make_model(), LoraSettings(target_modules=targets))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "targets", [["lm_head"], ["embed_tokens"], ["q_proj", "lm_head"], r".*(q_proj|lm_head)"]
)
def test_an_embedding_as_target_is_refused(targets, tied):
    with pytest.raises(ConfigError, match=r"include an embedding.* are down_proj, .*k_proj, o_pr"):
        add_lora(make_model(tied=tied), LoraSettings(target_modules=targets))


def test_targets_may_be_parts_of_paths_or_a_pattern():
    for targets in (["0.self_attn.q_proj", "down_proj"], r".*\.(q|v)_proj"):
        add_lora(make_model(), LoraSettings(target_modules=targets))


def test_a_bad_setting_is_refused():
    with pytest.raises(ConfigError, match=r"lora\.r is not an option; .*rank, alpha, target_mod"):
        _ = GiGPOConfig().llm(lora={"r": 8}).settings
    with pytest.raises(ConfigError, match=r"lora\.ranks is not an option; did you mean 'rank'"):
        _ = GiGPOConfig().llm(lora={"ranks": 8}).settings
    with pytest.raises(ConfigError, match=r"lora\.rank=0 must be at least 1"):
        _ = GiGPOConfig().llm(lora={"rank": 0}).settings


@pytest.mark.parametrize("targets", [5, None, [], "", ["q_proj", 5], {"q_proj": 1}])
def test_targets_that_are_no_names_are_refused(targets):
    with pytest.raises(ValueError, match=r"target_modules=.* must be 'all-linear' or a list"):
        LoraSettings(target_modules=targets)
    with pytest.raises(ConfigError, match=r"lora.target_modules"):
        _ = GiGPOConfig().llm(lora={"target_modules": targets}).settings


def test_without_peft_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r'pip install "rllib-gigpo\[lora\]"'):
        add_lora(make_model(), LoraSettings())
