"""A folder is whole if it agrees with its manifest; torn files are seen without one too."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from faults.small_disk import DAMAGES
from safetensors.numpy import save_file

from rllib_gigpo.checkpoints.manifest import MANIFEST, manifest_fault, write_manifest
from rllib_gigpo.checkpoints.torn_files import torn_file

FILES = ("state.pkl", "model/config.json", "model/model.safetensors", "model/chat.jinja")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a folder with a file of each format."""
    (tmp_path / "model").mkdir()
    state = {"weights": np.arange(99.0), "text": "ü" * 99}
    (tmp_path / "state.pkl").write_bytes(pickle.dumps(state))
    (tmp_path / "model" / "config.json").write_text(json.dumps({"name": "x", "sizes": [1, 2]}))
    save_file({"a": np.zeros(9), "b": np.ones((3, 4))}, tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "chat.jinja").write_text("{{ messages }}")
    return tmp_path


def test_a_whole_folder_has_no_fault(folder: Path):
    assert torn_file(folder) is None
    write_manifest(folder)
    assert manifest_fault(folder) is None
    (folder / "evaluation.json").write_text("{")  # not in the manifest
    assert manifest_fault(folder) is None


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_each_damage_to_each_file_is_named(folder: Path, name: str, damage: str):
    write_manifest(folder)
    DAMAGES[damage](folder / name)
    assert manifest_fault(folder).startswith(f"{name} ")


@pytest.mark.parametrize("damage", ["empty", "half"])
@pytest.mark.parametrize("name", FILES[:3])
def test_a_torn_file_is_seen_by_its_format(folder: Path, name: str, damage: str):
    DAMAGES[damage](folder / name)
    assert torn_file(folder).startswith(f"{name} ")


@pytest.mark.parametrize("damage", ["missing", "empty", "half"])
def test_a_torn_manifest_is_a_fault(folder: Path, damage: str):
    write_manifest(folder)
    DAMAGES[damage](folder / MANIFEST)
    assert manifest_fault(folder).startswith(MANIFEST)


def test_a_manifest_of_another_form_is_a_fault(folder: Path):
    for content in ("[]", "{}", '{"files": []}', '{"files": {}}'):
        (folder / MANIFEST).write_text(content)
        assert manifest_fault(folder) == f"{MANIFEST} lists no files"


@pytest.mark.fault("B19", promise="A file that was added to a checkpoint is named if it is read.")
def test_an_added_file_is_a_fault_if_a_reader_would_open_it(folder: Path):
    write_manifest(folder)
    model = folder / "learner_group" / "learner" / "rl_module"
    model.mkdir(parents=True)
    for harmless in (folder / "notes.txt", folder / "model" / "more.json", model / "README.md"):
        harmless.write_text("mine")
    assert manifest_fault(folder) is None
    for read in (folder / "state.msgpack", folder / "model" / "x.pkl", model / "tokenizer.json"):
        read.write_text("{}")
        name = read.relative_to(folder)
        assert manifest_fault(folder) == f"{name} was added after it was saved"
        read.unlink()


def test_an_index_that_names_no_files_is_a_fault(folder: Path):
    index = folder / "model" / "model.safetensors.index.json"
    for content in ("[]", "{}", '{"weight_map": 3}'):
        index.write_text(content)
        assert torn_file(folder) == f"model/{index.name} names no files"


def test_a_pickle_with_the_length_of_no_string_is_torn(folder: Path):
    (folder / "state.pkl").write_bytes(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x3f" + b"abc")
    assert torn_file(folder) == "state.pkl ends in the middle"


def test_a_missing_shard_is_seen_in_the_index(folder: Path):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torn_file(folder) == "model/model-2.safetensors is missing"


def test_an_unreadable_file_is_a_fault_and_not_an_exception(folder: Path, monkeypatch):
    write_manifest(folder)

    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("hashlib.file_digest", fail)
    assert manifest_fault(folder).endswith("cannot be read (Input/output error)")
