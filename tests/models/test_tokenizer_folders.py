"""Tokenizers that would lose text, tokens or turns are refused when their folder is opened."""

import json
import shutil
from pathlib import Path

import pytest
from support.chat.families import CHATML

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.errors import ConfigError, GiGPOError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer


@pytest.fixture
def folder(tmp_path):
    tokenizer = build_tokenizer(["go east"], vocab_size=300)
    build_model(tokenizer, hidden_size=32, num_layers=1, num_heads=1).save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    return tmp_path


def change(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def engine_of(folder):
    return make_engine("transformers", EngineSettings(model_path=str(folder), max_model_len=64))


@pytest.mark.fault("B2", promise="A folder without a vocabulary is refused.")
def test_a_folder_without_tokenizer_json_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"0 tokens .* so text is lost.*tokenizer\.json"):
        load_tokenizer(folder)
    with pytest.raises(GiGPOError, match="so text is lost"):
        engine_of(folder).start()


@pytest.mark.fault(
    "B2", promise="A folder whose vocabulary is torn or belongs elsewhere is refused."
)
def test_a_vocabulary_that_knows_no_letters_is_refused(folder):
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"] = {"<|pad|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "a": 3}
    content["model"]["merges"] = []
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="so text is lost"):
        load_tokenizer(folder)
    file.write_text(json.dumps(content)[:100])
    with pytest.raises(ConfigError, match="finds no tokenizer"):
        load_tokenizer(folder)


@pytest.mark.fault("case 8", promise="A tokenizer that is larger than the model is refused.")
def test_a_tokenizer_larger_than_the_model_is_refused(folder):
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["kitchen"])
    save_tokenizer(tokenizer, folder)
    size = len(tokenizer) - 1
    with pytest.raises(ConfigError, match=rf"ids up to {size}, but the model has only {size} emb"):
        load_tokenizer(folder)


@pytest.mark.fault("case 8", promise="A special token that no prompt holds may lack an embedding.")
def test_an_idle_special_token_may_lack_an_embedding_as_in_gemma(folder):
    tokenizer = load_tokenizer(folder)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<image>"]})
    save_tokenizer(tokenizer, folder)
    load_tokenizer(folder)
    change(folder / "tokenizer_config.json", chat_template=CHATML + "<image>")
    with pytest.raises(ConfigError, match="ids up to"):
        load_tokenizer(folder)


@pytest.mark.fault("case 11", promise="tekken.json does not replace a usable tokenizer.json.")
@pytest.mark.parametrize("tokenizer_class", ["PreTrainedTokenizerFast", "LlamaTokenizerFast"])
def test_mistrals_own_tokenizer_beside_the_usual_one_changes_nothing(folder, tokenizer_class):
    mistral_common = pytest.importorskip("mistral_common")
    data = Path(mistral_common.__file__).parent / "data"
    shutil.copy(sorted(data.glob("tekken*.json"))[0], folder / "tekken.json")
    change(folder / "config.json", model_type="mistral")
    change(folder / "tokenizer_config.json", tokenizer_class=tokenizer_class)
    tokenizer = load_tokenizer(folder)
    assert len(tokenizer) < 300
    assert tokenizer.chat_template


def make_base_model_with_chatml(folder, *, is_token):
    """Give the folder a ChatML template, but an eos token that the template does not write."""
    tokenizer = load_tokenizer(folder)
    tokenizer.eos_token = "<|pad|>"
    tokenizer.chat_template = CHATML if is_token else CHATML.replace("<|im_end|>", "[/ANSWER]")
    save_tokenizer(tokenizer, folder)
    for name in ("config.json", "generation_config.json"):
        change(folder / name, eos_token_id=tokenizer.eos_token_id)
    return tokenizer


@pytest.mark.fault("case 19", promise="What closes an answer in the template stops the engine.")
def test_the_end_of_a_turn_stops_the_engine_beside_eos(folder):
    tokenizer = make_base_model_with_chatml(folder, is_token=True)
    load_tokenizer(folder)
    engine = engine_of(folder)
    engine.start()
    expected = tokenizer.convert_tokens_to_ids(["<|pad|>", "<|im_end|>"])
    assert engine._stop_token_ids == frozenset(expected)


@pytest.mark.fault("case 19", promise="If that is not one token, the folder is refused.")
def test_an_end_of_turn_that_is_not_one_token_is_refused(folder):
    make_base_model_with_chatml(folder, is_token=False)
    with pytest.raises(ConfigError, match=r"closes an answer with '\[/ANSWER\]'"):
        load_tokenizer(folder)
