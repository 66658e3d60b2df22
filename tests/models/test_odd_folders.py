"""Model folders with wrong or torn files: one sentence, no random weights, no foreign code."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.errors import ConfigError, EngineError, GiGPOError
from rllib_gigpo.models.causal_lm import load_causal_lm, load_config
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer
from rllib_gigpo.models.weight_files import tensor_shapes

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


@pytest.fixture
def make_folder(tmp_path):
    def make(**kwargs):
        tokenizer = build_tokenizer(["go east"], vocab_size=300)
        model = build_model(tokenizer, hidden_size=32, num_layers=2, num_heads=1)
        model.save_pretrained(tmp_path, **kwargs)
        save_tokenizer(tokenizer, tmp_path)
        return tmp_path

    return make


def change(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_weights(folder, edit):
    weights = edit(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def start_engine(folder):
    engine = make_engine("transformers", EngineSettings(model_path=str(folder), max_model_len=64))
    engine.start()
    return engine


def open_all(folder):
    load_tokenizer(folder)
    start_engine(folder)


def drop_one(weights):
    del weights["model.layers.1.mlp.down_proj.weight"]
    return weights


def rename_all(weights):
    return {f"transformer.{name}": value for name, value in weights.items()}


@pytest.mark.fault("case 7", promise="Weights that the files lack are never random numbers.")
@pytest.mark.parametrize("edit", [drop_one, rename_all])
def test_files_that_lack_weights_are_refused(make_folder, edit):
    folder = make_folder()
    change_weights(folder, edit)
    with pytest.raises(ConfigError, match=r"lack \d+ of the model's weights .* random numbers"):
        load_causal_lm(folder)
    with pytest.raises(EngineError, match="random numbers"):
        start_engine(folder)


@pytest.mark.fault("case 7", promise="Tied weights in an untied model are refused.")
def test_a_head_that_is_missing_is_refused(make_folder):
    folder = make_folder()
    change(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(ConfigError, match=r"lack 1 of the model's weights \(\['lm_head"):
        load_causal_lm(folder)


@pytest.mark.fault("case 7", promise="The files, not the index, say which tensors they hold.")
def test_names_that_only_the_index_has_do_not_count(make_folder):
    folder = make_folder(max_shard_size="60KB")
    shapes = tensor_shapes(folder)
    index = folder / "model.safetensors.index.json"
    files = json.loads(index.read_text())["weight_map"]
    change(index, weight_map={f"own.{name}": file for name, file in files.items()})
    assert tensor_shapes(folder) == shapes
    start_engine(folder)


@pytest.mark.fault("B19", promise="A torn file of a model folder is one sentence.")
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("model.safetensors", LFS_POINTER),
        ("model.safetensors", ""),
        ("model.safetensors.index.json", '{"weight_map": []}'),
        ("model.safetensors.index.json", '{"weight_map": {"a": 3}}'),
        ("generation_config.json", '{"eos_tok'),
        ("generation_config.json", "[]"),
        ("generation_config.json", '{"eos_token_id": "2"}'),
        ("generation_config.json", '{"eos_token_id": [2, [1]]}'),
        ("config.json", '{"model_type": "qwen2", "vocab_size": "many"}'),
        ("tokenizer.json", LFS_POINTER),
    ],
)
def test_a_torn_file_is_one_sentence(make_folder, file, text):
    folder = make_folder()
    (folder / file).write_text(text)
    with pytest.raises(GiGPOError):
        open_all(folder)


@pytest.mark.parametrize(
    ("eos", "expected"), [(None, [2]), (-1, [2]), ([2, 1], [1, 2]), ([None, 5], [2, 5])]
)
def test_forms_of_the_end_token_are_read(make_folder, eos, expected):
    folder = make_folder()
    change(folder / "generation_config.json", eos_token_id=eos)
    assert read_model_facts(str(folder)).stop_token_ids == expected


def test_a_wrong_value_in_the_tokenizers_config_is_a_sentence(make_folder):
    folder = make_folder()
    change(folder / "tokenizer_config.json", model_max_length="long")
    with pytest.raises(ConfigError, match="fails on 'go north, take 2 coins': TypeError"):
        load_tokenizer(folder)


@pytest.mark.fault("B20", promise="A model folder's own code is not run, and nobody is asked.")
def test_code_in_a_model_folder_is_refused_without_a_question(make_folder, capsys):
    folder = make_folder()
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    change(folder / "config.json", auto_map=own, model_type="own")
    (folder / "own.py").write_text("raise SystemExit('the code ran')\n")
    for read in (load_config, load_causal_lm, start_engine):
        with pytest.raises(GiGPOError, match="custom code"):
            read(folder)
    assert "Do you wish" not in capsys.readouterr().out


class Exploit:
    def __reduce__(self):
        return os.abort, ()


@pytest.mark.fault("B20", promise="A pickle among the weights is refused in one sentence.")
def test_a_pickle_among_the_weights_runs_nothing(make_folder):
    folder = make_folder()
    (folder / "model.safetensors").unlink()
    torch.save({"own": Exploit()}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="UnpicklingError"):
        load_causal_lm(folder)
