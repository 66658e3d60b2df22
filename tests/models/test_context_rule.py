"""One rule for context lengths: the settings and the engines accept the same, RoPE scaling too."""

import json

import pytest

from rllib_gigpo.config.sections.model import context
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.errors import EngineError
from rllib_gigpo.models.context import context_length
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import save_tokenizer

DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(["go"], 300)
    build_model(
        tokenizer, hidden_size=32, num_layers=1, num_heads=1, max_position_embeddings=512
    ).save_pretrained(path)
    save_tokenizer(tokenizer, path)
    return path


@pytest.mark.fault("case 9", promise="One rule for context lengths, used by settings and engines.")
@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({}, 512),
        ({"rope_parameters": YARN | DEFAULT}, 512),
        ({"rope_parameters": DEFAULT, "rope_scaling": YARN}, 2048),
        ({"rope_parameters": DEFAULT, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 2048),
        ({"rope_parameters": YARN | {"rope_theta": 10000.0}}, 2048),
        ({"max_position_embeddings": 2048, "rope_scaling": YARN}, 2048),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, 1024),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 3.0}}, 1536),
        (
            {
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 128,
                }
            },
            512,
        ),
    ],
)
def test_settings_and_engine_accept_the_same_lengths(folder, changes, length):
    file = folder / "config.json"
    before = file.read_text()
    try:
        file.write_text(json.dumps({**json.loads(before), "rope_parameters": None, **changes}))
        assert context_length(json.loads(file.read_text())) == length
        facts = read_model_facts(str(folder))
        facts.check_context(length)
        assert list(context(folder, length - 8, 8)) == []
        with pytest.raises(EngineError, match=f"context of {length} tokens"):
            facts.check_context(length + 1)
        assert list(context(folder, length - 7, 8))
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("config", "length"),
    [
        # Layers of several types, with RoPE of their own.
        ({"rope_parameters": {"full_attention": YARN, "sliding_attention": DEFAULT}}, 2048),
        # Gemma 3 states the scaled length.
        ({"model_type": "gemma3_text", "rope_scaling": {"type": "linear", "factor": 8.0}}, 512),
        ({"text_config": {"max_position_embeddings": 64, "rope_scaling": YARN}}, 2048),
        ({"model_max_length": 4096}, 4096),
        ({"seq_length": 256}, 256),
    ],
)
def test_other_forms_of_the_configuration_are_read(config, length):
    assert context_length({"max_position_embeddings": 512, **config}) == length
