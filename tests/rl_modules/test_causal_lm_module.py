import gymnasium
import pytest
import torch
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from rllib_gigpo.errors import ConfigError, GiGPOError
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.rl_modules import causal_lm_module as lm

SPACE = gymnasium.spaces.Text(10)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        attention_dropout=0.5,
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def capped_path(tmp_path_factory):
    """A model whose logit cap is low enough to matter."""
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("capped_model")
    torch.manual_seed(0)
    config = transformers.Gemma2Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        initializer_range=0.5,
        final_logit_softcapping=2.0,
    )
    transformers.Gemma2ForCausalLM(config).save_pretrained(path)
    return str(path)


def build(**model_config):
    return RLModuleSpec(
        module_class=lm.CausalLMModule,
        observation_space=SPACE,
        action_space=SPACE,
        model_config=model_config,
    ).build()


MICRO_BATCH = MicroBatch(
    input_ids=torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]),
    logit_positions=torch.tensor([1, 2, 4]),
    targets=torch.tensor([3, 4, 6]),
    token_indices=torch.tensor([0, 1, 2]),
    state_positions=torch.tensor([1, 4]),
    row_indices=torch.tensor([0, 1]),
)
BATCH = {lm.MICRO_BATCH: MICRO_BATCH, lm.CHUNK_TOKENS: 2}


@pytest.mark.parametrize("fixture", ["model_path", "capped_path"])
def test_the_log_probs_are_those_of_the_whole_model(request, fixture):
    module = build(model_path=request.getfixturevalue(fixture))
    result = module.forward_train(BATCH)
    logits = [module.model(input_ids=row[None]).logits[0] for row in MICRO_BATCH.input_ids]
    all_logp = torch.cat(logits).log_softmax(-1)
    expected = all_logp[MICRO_BATCH.logit_positions, MICRO_BATCH.targets]
    torch.testing.assert_close(result[lm.LOGP], expected, rtol=0, atol=1e-6)
    entropy = torch.distributions.Categorical(logits=all_logp).entropy()
    torch.testing.assert_close(
        result[lm.ENTROPY], entropy[MICRO_BATCH.logit_positions], rtol=0, atol=1e-6
    )


def test_dropout_is_off_in_training_too(model_path):
    module = build(model_path=model_path)
    one, other = (module.forward_train(BATCH)[lm.LOGP] for _ in range(2))
    assert module.training
    assert torch.equal(one, other)


def test_gradient_checkpointing_does_not_change_the_gradient(model_path):
    gradients = []
    for gradient_checkpointing in (False, True):
        module = build(model_path=model_path, gradient_checkpointing=gradient_checkpointing)
        module.forward_train(BATCH)[lm.LOGP].sum().backward()
        gradients.append([parameter.grad for parameter in module.parameters()])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)


def test_a_state_is_a_copy_that_can_be_loaded(model_path):
    module, other = build(model_path=model_path), build(model_path=model_path, dtype="bfloat16")
    state = module.get_state()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
    assert not any(tensor.requires_grad for tensor in state.values())
    assert {tensor.dtype for tensor in other.get_state().values()} == {torch.bfloat16}
    fresh = build(model_path=model_path).get_state()
    assert all(torch.equal(state[name], fresh[name]) for name in fresh)
    module.set_state(state)
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in module.get_state().items())


def test_a_missing_folder_is_reported_as_it_is():
    with pytest.raises(ConfigError, match="nowhere"):
        build(model_path="nowhere")


def test_an_attribute_error_in_setup_is_not_swallowed(model_path, monkeypatch):
    calls = []

    def broken(**model_config):
        calls.append(model_config)
        return object().weights

    monkeypatch.setattr(lm, "load_causal_lm", broken)
    with pytest.raises(GiGPOError, match="no attribute 'weights'"):
        build(model_path=model_path)
    assert len(calls) == 1
