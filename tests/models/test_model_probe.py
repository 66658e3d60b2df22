"""The probe asks the model: dropout of any name, steps after the head, tokens that see padding."""

import pytest
import torch
import transformers

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import trunk_of
from rllib_gigpo.models.model_adapter import ModelAdapter, disable_dropout
from rllib_gigpo.models.model_probe import probe

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = SIZES | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
MAMBA = {
    "mamba_d_ssm": 32,
    "mamba_n_heads": 4,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_chunk_size": 4,
}
FALCON_H1 = transformers.FalconH1Config(**GROUPED, **MAMBA, lm_head_multiplier=0.04)
GEMMA = transformers.RecurrentGemmaConfig(**GROUPED, logits_soft_cap=2.0)
RANDOM = {
    "opt": transformers.OPTConfig(
        **SIZES, ffn_dim=48, word_embed_proj_dim=32, dropout=0.5, layerdrop=0.5
    ),
    "bloom": transformers.BloomConfig(
        vocab_size=64, hidden_size=32, n_layer=2, n_head=4, hidden_dropout=0.5
    ),
    "starcoder2": transformers.Starcoder2Config(
        **GROUPED, residual_dropout=0.5, embedding_dropout=0.5
    ),
    "mixtral": transformers.MixtralConfig(**GROUPED, num_local_experts=4, router_jitter_noise=0.5),
}
LLAMA_4 = transformers.Llama4TextConfig(**GROUPED, intermediate_size_mlp=48, num_local_experts=2)
PHI_MOE = transformers.PhimoeConfig(**GROUPED, num_local_experts=4, router_jitter_noise=0.3)
OTHER_HEADS = {"falcon_h1": FALCON_H1, "recurrent_gemma": GEMMA}


def make_model(config):
    """Build a model in training mode with weights that are large enough to matter."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).train()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def probed(model):
    disable_dropout(model)
    adapter = ModelAdapter(model)
    probe(adapter)
    return adapter


def log_probs(adapter, input_ids):
    trunk = trunk_of(adapter.model)
    return adapter.logits(trunk(input_ids).last_hidden_state[0]).log_softmax(-1)


IDS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.mark.fault("case 1", promise="Dropout is off, whatever a model calls it.")
@pytest.mark.parametrize("name", RANDOM)
def test_two_passes_agree_for_every_kind_of_dropout(name):
    adapter = probed(make_model(RANDOM[name]))
    own = adapter.model(IDS).logits[0].log_softmax(-1)
    torch.testing.assert_close(log_probs(adapter, IDS), own, rtol=0, atol=1e-5)
    torch.testing.assert_close(adapter.model.eval()(IDS).logits[0].log_softmax(-1), own)


class _Noisy(torch.nn.Module):
    """A layer whose noise has no name."""

    def forward(self, hidden):
        return hidden + 0.1 * torch.randn_like(hidden)


@pytest.mark.fault("case 1", promise="A model that stays random is refused with the difference.")
def test_randomness_without_a_name_is_refused():
    model = make_model(transformers.Qwen2Config(**GROUPED))
    model.model.norm = _Noisy()
    with pytest.raises(ConfigError, match=r"Two passes of this qwen2 model .* differ by up to \d"):
        probed(model)


class _FromConfig(torch.nn.Module):
    """A layer that reads its rate from the configuration in each pass."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, hidden):
        return torch.nn.functional.dropout(hidden, self.config.resid_pdrop, self.training)


@pytest.mark.fault("case 1", promise="Rates that are read from the configuration are set to 0.")
def test_a_rate_that_is_read_in_each_pass_is_set_to_zero():
    model = make_model(transformers.Qwen2Config(**GROUPED, resid_pdrop=0.5))
    model.model.norm = _FromConfig(model.config).train()
    assert probed(model).model.config.resid_pdrop == 0.0


@pytest.mark.fault("case 2", promise="What a model does after its head is left to the model.")
@pytest.mark.parametrize("name", OTHER_HEADS)
def test_the_log_probs_are_the_models_own_with_their_gradients(name):
    gradients = []
    for is_own in (False, True):
        model = make_model(OTHER_HEADS[name])
        adapter = probed(model)
        rows = model(IDS).logits[0].log_softmax(-1) if is_own else log_probs(adapter, IDS)
        own = model(IDS).logits[0].log_softmax(-1)
        torch.testing.assert_close(rows, own, rtol=0, atol=1e-5)
        rows[range(4), IDS[0, 1:]].sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.fault("case 2", promise="What cannot be reproduced is refused with the difference.")
def test_a_head_that_needs_more_than_hidden_states_is_refused():
    model = make_model(transformers.Qwen2Config(**GROUPED))
    whole = model.forward

    def with_memory(input_ids=None, **kwargs):
        output = whole(input_ids=input_ids, **kwargs)
        output.logits = output.logits + torch.nn.functional.one_hot(input_ids, 64)
        return output

    model.forward = with_memory
    with pytest.raises(ConfigError, match=r"log-probs of this qwen2 model .* by up to \d"):
        probed(model)


@pytest.mark.fault("case 2", promise="A model whose tokens see what follows is refused.")
def test_a_model_that_is_not_causal_is_refused():
    model = make_model(transformers.Qwen2Config(**GROUPED))
    norm = model.model.norm.forward
    model.model.norm.forward = lambda hidden: norm(hidden) + hidden.mean(1, keepdim=True)
    with pytest.raises(ConfigError, match="padded on the right"):
        probed(model)


def test_the_probe_leaves_the_random_state_and_usual_heads_alone():
    model = make_model(transformers.Qwen2Config(**GROUPED, attention_dropout=0.5))
    before = torch.get_rng_state()
    assert probed(model)._own_head is None
    assert torch.equal(torch.get_rng_state(), before)
    assert model.config.attention_dropout == 0.5


@pytest.mark.fault("case 2", promise="A model whose prefix names no part of it has a trunk, too.")
def test_a_model_whose_base_is_itself_runs():
    adapter = probed(make_model(LLAMA_4))
    own = adapter.model(IDS).logits[0].log_softmax(-1)
    torch.testing.assert_close(log_probs(adapter, IDS), own, rtol=0, atol=1e-5)


@pytest.mark.fault("case 1", promise="A rate that the model also uses without noise is refused.")
def test_a_rate_that_is_more_than_noise_is_refused():
    with pytest.raises(ConfigError, match=r"phimoe model in training mode differ from .* by up to"):
        probed(make_model(PHI_MOE))


@pytest.mark.fault("case 1", promise="A model that differs in evaluation mode is refused.")
def test_a_model_that_runs_differently_in_evaluation_mode_is_refused():
    model = make_model(transformers.Qwen2Config(**GROUPED))
    norm = model.model.norm
    forward = norm.forward
    norm.forward = lambda hidden: forward(hidden) * (1.5 if norm.training else 1.0)
    with pytest.raises(ConfigError, match="in training mode differ from those in evaluation"):
        probed(model)
    assert all(module.training for module in model.modules())


@pytest.mark.fault("case 2", promise="A model that fails on tokens alone is refused in a sentence.")
def test_a_model_that_fails_is_told():
    model = make_model(transformers.Qwen2Config(**GROUPED))
    model.model.norm.forward = lambda hidden: [][0]
    with pytest.raises(ConfigError, match="qwen2 model fails on eleven tokens: IndexError"):
        probed(model)
