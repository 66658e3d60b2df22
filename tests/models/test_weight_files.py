"""The index of a model folder decides which tensors count."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import save_tokenizer
from rllib_gigpo.models.weight_files import tensor_files, tensor_shapes
from rllib_gigpo.weights.checksum import weights_checksum

SHARDED = {"max_shard_size": "60KB"}


@pytest.fixture
def model():
    tokenizer = build_tokenizer(["go east"], vocab_size=300)
    return build_model(tokenizer, hidden_size=32, num_layers=2, num_heads=1)


def folder_of(model, folder, **kwargs):
    model.save_pretrained(folder, **kwargs)
    save_tokenizer(build_tokenizer(["go east"], vocab_size=300), folder)
    return folder


def add_mistrals_own_file(model, folder):
    tensors = {f"layers.{i}.w": p.detach().clone() for i, p in enumerate(model.parameters())}
    save_file(tensors, folder / "consolidated.safetensors")


@pytest.mark.fault("case 7", promise="Files that the index does not name do not count.")
@pytest.mark.parametrize("kwargs", [{}, SHARDED], ids=["one file", "shards"])
def test_a_consolidated_copy_beside_the_weights_does_not_count(model, tmp_path, kwargs):
    folder = folder_of(model, tmp_path, **kwargs)
    assert (folder / "model.safetensors.index.json").is_file() == (kwargs == SHARDED)
    expected = tensor_shapes(folder)
    add_mistrals_own_file(model, folder)
    shutil.copy(folder / "consolidated.safetensors", folder / "adapter_model.safetensors")
    assert tensor_shapes(folder) == expected
    assert expected == {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"
    }
    engine = make_engine("transformers", EngineSettings(model_path=str(folder), max_model_len=64))
    engine.start()
    engine.load_weights(model.state_dict().items(), 1)
    facts = read_model_facts(str(folder))
    assert weights_checksum(facts.tensors(), tied_head=facts.tied_head) == engine.weights_checksum()


@pytest.mark.fault("case 7", promise="Tensors that the model lacks do not count.")
def test_tensors_that_the_model_lacks_do_not_count(model, tmp_path):
    folder = folder_of(model, tmp_path)
    file = folder / "model.safetensors"
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(3)}
    save_file(load_file(file) | extra, file, metadata={"format": "pt"})
    facts = read_model_facts(str(folder))
    assert set(facts.tensor_shapes) == set(model.state_dict()) - {"lm_head.weight"}
    assert {name for name, _ in facts.tensors()} == set(facts.tensor_shapes)


@pytest.mark.fault("case 7", promise="An index that names missing files is told by name.")
def test_an_index_that_names_missing_files_is_an_error(model, tmp_path):
    folder = folder_of(model, tmp_path, **SHARDED)
    shard = sorted(folder.glob("model-*.safetensors"))[0]
    shard.unlink()
    with pytest.raises(ConfigError, match=rf"names \['{shard.name}'\], which are not there"):
        tensor_files(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="cannot be read"):
        tensor_files(folder)


def test_a_folder_without_safetensors_has_no_shapes(tmp_path):
    assert tensor_shapes(tmp_path) == {}
