"""Checkpoints of sharded Learners: a plain model folder, and a state for any number of Learners."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from support.models.learner_groups import of_each

from rllib_gigpo.checkpoints.learner_failures import save_shards, take_failures

HEAD = {"critic": {"name": "head", "lr": 0.01}, "rule": "ppo"}
OFFLOAD = {"name": "fsdp2", "cpu_offload": True}
SETTINGS = {"optim": "adamw", "lr": 1e-3, "sharding": "fsdp2", **HEAD}


def copy_files(source, target):
    """Copy a folder's files, without its subfolders."""
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, target)


@pytest.fixture(scope="module")
def save():
    """Return a function that saves a group's Learners as an Algorithm does."""

    def run(group, folder):
        group.save_to_path(str(folder))
        save_shards(group, folder / "learner", timeout_s=60.0)
        assert take_failures(group) == []
        return folder

    return run


@pytest.fixture(scope="module")
def trained(make_group, train_group, make_rows, save, tmp_path_factory):
    """Return the checkpoint of two Learners after an update, and the group after one more."""
    group = make_group(2, **SETTINGS)
    train_group(group, make_rows(has_values=True))
    folder = save(group, tmp_path_factory.mktemp("checkpoint"))
    train_group(group, make_rows(seed=1, has_values=True))
    return folder, group


def test_the_model_is_a_plain_folder(trained):
    folder = trained[0] / "learner" / "rl_module"
    model, found = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(found.values())
    assert model.config.tie_word_embeddings
    assert {file.suffix for file in folder.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize(
    ("num_learners", "settings"),
    [
        pytest.param(3, {}, id="three"),
        pytest.param(2, {"sharding": "ddp"}, id="copies", marks=pytest.mark.slow),
        pytest.param(2, {"sharding": OFFLOAD}, id="offload", marks=pytest.mark.slow),
    ],
)
def test_another_group_goes_on(
    trained, make_group, train_group, make_rows, weights, assert_same, num_learners, settings
):
    folder, group = trained
    other = make_group(num_learners, **{**SETTINGS, **settings})
    other.restore_from_path(str(folder))
    assert take_failures(other) == []
    train_group(other, make_rows(seed=1, has_values=True))
    assert_same(of_each(other, weights)[0], of_each(group, weights)[0], tolerance=1e-5)
    other.shutdown()


def test_one_learner_goes_on(trained, make_learner, train, make_rows, weights, assert_same):
    folder, group = trained
    learner = make_learner(**{**SETTINGS, "sharding": "ddp"})
    learner.restore_from_path(folder / "learner")
    train(learner, make_rows(seed=1, has_values=True))
    assert_same(weights(learner), of_each(group, weights)[0], tolerance=1e-5)


def test_sharded_learners_go_on_from_one(
    trained, make_learner, train, train_group, make_rows, weights, assert_same, tmp_path
):
    folder, group = trained
    learner = make_learner(**{**SETTINGS, "sharding": "ddp"})
    train(learner, make_rows(seed=2, has_values=True))
    copy_files(folder, tmp_path)
    learner.save_to_path(tmp_path / "learner")
    group.restore_from_path(str(tmp_path))
    assert take_failures(group) == []
    train(learner, make_rows(seed=3, has_values=True))
    train_group(group, make_rows(seed=3, has_values=True))
    assert_same(weights(learner), of_each(group, weights)[0], tolerance=1e-5)


@pytest.mark.slow
def test_a_second_model_goes_on_even_if_it_has_no_moments_yet(
    make_group, train_group, make_rows, weights, assert_same, save, tmp_path
):
    settings = {**SETTINGS, "critic": None, "rule": "istar", "process_reward": {"lr": 1e-3}}
    group, other = (make_group(2, **settings) for _ in range(2))
    without = dataclasses.replace(make_rows(), pair_gradients=np.zeros(12, dtype=np.float32))
    for number, rows in enumerate([without, make_rows(seed=1, has_pairs=True)]):
        train_group(group, rows)
        folder = tmp_path / str(number)
        folder.mkdir()
        other.restore_from_path(str(save(group, folder)))
        assert take_failures(other) == []
        assert_same(of_each(other, weights)[0], of_each(group, weights)[0], tolerance=0.0)
    for one in (group, other):
        train_group(one, make_rows(seed=2, has_pairs=True))
    assert_same(of_each(other, weights)[0], of_each(group, weights)[0], tolerance=1e-6)
    other.shutdown()


@pytest.mark.slow
def test_a_merged_model_and_its_adapter(
    make_group, train_group, make_rows, weights, save, tmp_path
):
    settings = {"sharding": "fsdp2", "lora": {"rank": 4}}
    group = make_group(2, **settings)
    train_group(group, make_rows())
    folder = save(group, tmp_path)
    before = of_each(group, weights)[0]
    saved = transformers.AutoModelForCausalLM.from_pretrained(folder / "learner" / "rl_module")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    train_group(group, make_rows(seed=1))
    group.restore_from_path(str(folder))
    assert take_failures(group) == []
    for name, tensor in of_each(group, weights)[0].items():
        assert torch.equal(tensor, before[name]), name


def test_learners_without_a_common_disk_say_so(trained):
    _, group = trained
    save_shards(group, Path("/nowhere/at/all"), timeout_s=60.0)
    failures = take_failures(group)
    assert len(failures) == 2
    assert all("not on a disk that all Learners share" in failure for failure in failures)


def test_a_model_of_another_size_is_refused(trained, make_group, model_path, tmp_path):
    folder, group = trained
    other = transformers.AutoConfig.from_pretrained(folder / "learner" / "rl_module")
    other.intermediate_size = 48
    copied = tmp_path / "learner" / "rl_module"
    transformers.AutoModelForCausalLM.from_config(other).save_pretrained(copied)
    copy_files(folder, tmp_path)
    copy_files(folder / "learner", tmp_path / "learner")
    group.restore_from_path(str(tmp_path))
    failures = take_failures(group)
    assert len(failures) == 2
    assert all("differs from the config's" in failure for failure in failures)
