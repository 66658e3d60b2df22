"""The tiny model: a lossless tokenizer, and a Qwen2 that any reader of model folders opens."""

import json
import unicodedata

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import MIN_VOCAB_SIZE, build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer

TEXTS = ["go east", "go north", "You see an exit to the east.", "can: go east; take coin"] * 10


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(TEXTS, vocab_size=400)


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    build_model(tokenizer, hidden_size=32, num_layers=1, num_heads=1).save_pretrained(path)
    save_tokenizer(tokenizer, path)
    return path


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_frequent_words_are_single_tokens(tokenizer):
    assert len(encode(tokenizer, "go east")) == 2
    assert len(encode(tokenizer, "<|im_start|>user\n")) == 3


# A Qwen2 tokenizer applies NFC: an accent written as two characters becomes one.
@given(text=st.text(st.characters(exclude_categories=["Cs", "Mn", "Mc", "Lo", "So", "Lm"])))
@settings(deadline=None)
def test_no_text_is_lost(tokenizer, text):
    assert tokenizer.decode(encode(tokenizer, text)) == unicodedata.normalize("NFC", text)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(deadline=None)
def test_all_readers_of_the_folder_agree_on_the_ids(tokenizer, reopened, text):
    expected = encode(tokenizer, text)
    assert encode(reopened.wrapped, text) == expected
    assert reopened.bare.encode(text, add_special_tokens=False).ids == expected


@pytest.fixture(scope="module")
def reopened(folder):
    class Readers:
        wrapped = load_tokenizer(folder)
        bare = Tokenizer.from_file(str(folder / "tokenizer.json"))

    return Readers


def test_special_tokens_survive_the_folder(tokenizer, reopened):
    ids = encode(reopened.wrapped, "<|im_start|>a<|im_end|><|pad|>")
    assert ids[0] != ids[2] != ids[3]
    assert len(ids) == 4
    assert reopened.wrapped.decode(ids, skip_special_tokens=True) == "a"
    assert reopened.wrapped.eos_token == tokenizer.eos_token == "<|im_end|>"
    assert reopened.wrapped.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_tokenizer_depends_on_the_texts_alone(tokenizer):
    again = build_tokenizer(TEXTS, vocab_size=400)
    assert again.get_vocab() == tokenizer.get_vocab()


def test_the_chat_template_frames_each_message(tokenizer):
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\na<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_vocabulary_without_room_for_all_bytes_is_an_error():
    with pytest.raises(ConfigError, match=f"at least {MIN_VOCAB_SIZE}"):
        build_tokenizer(TEXTS, vocab_size=100)


def test_the_default_model_has_less_than_a_million_parameters(tokenizer):
    model = build_model(tokenizer)
    embedding = len(tokenizer) * 128
    # Per block: q, k, v with bias and o (4 x 128 x 128 + 3 x 128), MLP (3 x 128 x 384), two norms.
    block = 4 * 128 * 128 + 3 * 128 + 3 * 128 * 384 + 2 * 128
    assert model.num_parameters() == embedding + 3 * block + 128


def test_the_folder_holds_what_hugging_face_and_vllm_read(folder):
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    } <= names
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["tie_word_embeddings"] is True
    assert "chat_template" in json.loads((folder / "tokenizer_config.json").read_text())


def test_the_end_of_turn_token_stops_generation(folder, tokenizer):
    generation_config = json.loads((folder / "generation_config.json").read_text())
    assert generation_config["eos_token_id"] == tokenizer.eos_token_id
    assert AutoModelForCausalLM.from_pretrained(folder).config.eos_token_id == (
        tokenizer.eos_token_id
    )


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(tokenizer):
    def weights(seed):
        size = {"hidden_size": 32, "num_layers": 1, "num_heads": 1}
        return build_model(tokenizer, seed=seed, **size).model.embed_tokens.weight

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(torch.rand(1), expected)


def test_a_width_that_heads_do_not_divide_is_an_error(tokenizer):
    with pytest.raises(ConfigError, match="hidden_size=100 is not a multiple of num_heads=3"):
        build_model(tokenizer, hidden_size=100, num_heads=3)
