"""Model folders: opened only from this machine; errors say what is missing and how to fix it."""

import json

import pytest
import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import (
    load_causal_lm,
    load_config,
    meta_causal_lm,
    resolve_dtype,
)
from rllib_gigpo.models.context import check_context_length, context_length, read_config
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer


@pytest.fixture
def folder(tmp_path):
    tokenizer = build_tokenizer(["go east"], vocab_size=300)
    model = build_model(tokenizer, hidden_size=32, num_layers=1, num_heads=1)
    model.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    return tmp_path


LOADERS = [load_tokenizer, load_causal_lm, load_config, read_config]


@pytest.mark.parametrize("load", LOADERS)
def test_an_unknown_folder_is_an_error_and_never_looked_up_in_a_hub(load):
    with pytest.raises(ConfigError, match=r"'some/model' is not a folder.*downloaded"):
        load("some/model")


@pytest.mark.parametrize("load", LOADERS)
def test_a_folder_without_a_model_is_an_error(load, tmp_path):
    with pytest.raises(ConfigError, match=r"folder without config\.json"):
        load(tmp_path)


@pytest.mark.parametrize("load", [load_tokenizer, read_config])
def test_no_path_at_all_is_an_error_that_says_how_to_set_one(load):
    with pytest.raises(ConfigError, match=r"model_path is not set: call \.llm\(model_path="):
        load(None)


def test_a_configuration_that_is_not_json_is_an_error(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read as JSON"):
        read_config(folder)


def test_a_folder_without_weights_is_an_error(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="cannot open"):
        load_causal_lm(folder)


def test_a_folder_without_a_tokenizer_is_an_error(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ConfigError, match=r"tokenizer"):
        load_tokenizer(folder)


def change_tokenizer_config(folder, **changes):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_tokenizer_without_a_chat_template_is_an_error(folder):
    change_tokenizer_config(folder, chat_template=None)
    with pytest.raises(ConfigError, match="no chat template"):
        load_tokenizer(folder)


def test_a_tokenizer_without_an_end_of_turn_token_is_an_error(folder):
    change_tokenizer_config(folder, eos_token=None)
    with pytest.raises(ConfigError, match="no eos token"):
        load_tokenizer(folder)


def test_a_model_opens_in_the_dtype_asked_for_and_in_training_mode(folder):
    model = load_causal_lm(folder, dtype="bfloat16", attn_implementation="eager")
    assert model.dtype == torch.bfloat16
    assert model.training
    assert load_causal_lm(folder).dtype == torch.float32


def test_gradient_checkpointing_gives_the_same_gradients(folder):
    gradients = []
    for gradient_checkpointing in (False, True):
        model = load_causal_lm(folder, gradient_checkpointing=gradient_checkpointing)
        assert model.is_gradient_checkpointing == gradient_checkpointing
        model(input_ids=torch.tensor([[5, 6, 7]]), use_cache=False).logits.square().sum().backward()
        gradients.append(model.model.layers[0].mlp.up_proj.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_meta_model_has_shapes_and_no_memory(folder):
    model = meta_causal_lm(load_config(folder))
    expected = {name: tensor.shape for name, tensor in load_causal_lm(folder).state_dict().items()}
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == expected
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}


def test_the_context_length_is_read_from_the_configuration(folder):
    config = read_config(folder)
    assert context_length(config) == 1024
    check_context_length(config, max_prompt_tokens=1000, max_response_tokens=24)
    with pytest.raises(ConfigError, match="1025 tokens, but the model has 1024"):
        check_context_length(config, max_prompt_tokens=1000, max_response_tokens=25)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"n_positions": 1024}, 1024),
        ({"max_seq_len": 2048}, 2048),
        ({"max_position_embeddings": None, "n_positions": 1024}, 1024),
        ({"max_position_embeddings": 512, "rope_parameters": {"rope_type": "default"}}, 512),
        ({"max_position_embeddings": 512, "rope_scaling": None}, 512),
        # For a model of text and images, only the text part counts.
        ({"text_config": {"max_position_embeddings": 64}, "max_position_embeddings": 9}, 64),
        # A model that scales its positions takes more than its trained length.
        ({"max_position_embeddings": 512, "rope_parameters": {"rope_type": "yarn"}}, None),
        ({"max_position_embeddings": 512, "rope_scaling": {"type": "linear"}}, None),
        (
            {"text_config": {"n_positions": 512, "rope_scaling": {"rope_type": "dynamic"}}},
            None,
        ),
        ({}, None),
        ({"max_position_embeddings": None}, None),
    ],
)
def test_a_context_that_the_configuration_does_not_bound_is_none(config, expected):
    assert context_length(config) == expected
    if expected is None:
        check_context_length(config, max_prompt_tokens=10**6, max_response_tokens=10**6)


@pytest.mark.parametrize("dtype", ["float8", "int64", torch.int32, "nn"])
def test_an_unknown_dtype_is_an_error(dtype):
    with pytest.raises(ConfigError, match="'float32', 'bfloat16' or 'float16'"):
        resolve_dtype(dtype)
