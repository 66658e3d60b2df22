"""The real Algorithm saves whole checkpoints or raises, with local and remote Learners."""

import json
import pickle
import resource
from pathlib import Path

import pyarrow.fs
import pytest
import torch
from faults.small_disk import fill, small_disk
from ray import tune

from rllib_gigpo import GiGPO, columns
from rllib_gigpo.checkpoints.finder import checkpoint_fault
from rllib_gigpo.checkpoints.manifest import write_manifest
from rllib_gigpo.errors import CheckpointError

LOCAL_AND_REMOTE = [
    pytest.param(0, id="local"),
    pytest.param(1, id="remote", marks=pytest.mark.slow),
]
MODEL = "learner_group/learner/rl_module"


@pytest.fixture
def make(build, corridor_config):
    """Return a function that builds an Algorithm whose engine answers at once."""

    def algorithm(*, num_learners):
        config = corridor_config(strict_ratio=False)
        config.inference(engine="support.quick_engine:QuickEngine")
        config.env_runners(num_env_runners=min(1, num_learners))
        return build(config.learners(num_learners=num_learners))

    return algorithm


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_checkpoint_lists_its_files_and_says_how_its_model_plays(make, tmp_path):
    algorithm = make(num_learners=0)
    saved = Path(algorithm.save_to_path(tmp_path / "new"))

    assert checkpoint_fault(saved) is None
    listed = json.loads((saved / "manifest.json").read_text())["files"]
    assert set(listed) == set(files(saved)) - {"manifest.json"}
    description = json.loads((saved / MODEL / "gigpo.json").read_text())
    assert description["env"] == "rllib_gigpo.envs:Corridor-v0"
    assert description["env_config"] == {"length": 3, "max_steps": 6}
    assert description["settings"]["template"] == "compact"
    assert description["settings"]["num_test_tasks"] == 4
    assert description["left_out"] == []


def test_rllibs_ways_to_name_the_place_work_as_before(make, tmp_path, monkeypatch):
    algorithm = make(num_learners=0)
    for place in (None, str(tmp_path / "text"), (tmp_path / "uri").as_uri()):
        saved = Path(algorithm.save_to_path(place))
        assert checkpoint_fault(saved) is None
    assert (
        checkpoint_fault(Path(algorithm.save(str(tmp_path / "trainable")).checkpoint.path)) is None
    )


@pytest.mark.fault("B1", promise="A failed save is an error; the earlier checkpoint stays.")
@pytest.mark.parametrize("num_learners", LOCAL_AND_REMOTE)
def test_a_save_on_a_full_disk_is_an_error_and_the_run_can_go_on(
    make, tmp_path, num_learners, record_property
):
    algorithm = make(num_learners=num_learners)
    with small_disk(tmp_path / "disk", megabytes=4) as disk:
        target = disk / "new"
        algorithm.save_to_path(target)
        before = files(target)
        algorithm.train()
        ballast = fill(disk, leave_kb=200)  # enough for all but the model's weights
        with pytest.raises(CheckpointError) as error:
            algorithm.save_to_path(target)
        assert files(target) == before
        assert sorted(one.name for one in disk.iterdir()) == ["ballast", "new"]
        ballast.unlink()
        algorithm.train()  # the Learner is still in service
        algorithm.save_to_path(target)
        assert checkpoint_fault(target) is None
    text = str(error.value)
    assert f"The checkpoint {target} could not be saved" in text
    assert "No space left on device" in text
    assert f"the disk at {disk} has 0 of 4 MB free" in text
    record_property("lost", "the failed save")


@pytest.mark.fault("B1", promise="A limit on the size of files is a failed save like a full disk.")
def test_a_file_size_limit_is_an_error(make, tmp_path):
    algorithm = make(num_learners=0)
    target = tmp_path / "new"
    algorithm.save_to_path(target)
    before = files(target)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CheckpointError, match=r"could not be saved: .*File too large"):
            algorithm.save_to_path(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(target) == before


@pytest.mark.fault("B1", promise="The copy that Tune makes is checked before older ones go.")
def test_a_copy_that_tune_cannot_finish_is_an_error(make, tmp_path, monkeypatch):
    algorithm = make(num_learners=0)
    storage = tune.execution.tune_controller.StorageContext(
        storage_path=str(tmp_path), experiment_dir_name="run", trial_dir_name="trial"
    )
    algorithm._storage = storage
    first = Path(algorithm.save().checkpoint.path)
    assert checkpoint_fault(first) is None
    copy = storage.persist_current_checkpoint

    def lose_a_file(checkpoint):
        copied = copy(checkpoint)
        weights = next(Path(copied.path).rglob("*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-1])
        return copied

    monkeypatch.setattr(storage, "persist_current_checkpoint", lose_a_file)
    with pytest.raises(CheckpointError, match=r"checkpoint_000001: .*safetensors has"):
        algorithm.save()
    assert checkpoint_fault(first) is None


def test_a_torn_checkpoint_is_not_restored(make, tmp_path):
    algorithm = make(num_learners=0)
    saved = Path(algorithm.save_to_path(tmp_path / "new"))
    weights = dict(algorithm.learner_group._learner.export_weights())
    (saved / MODEL / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"is not whole: .*config.json has"):
        algorithm.restore_from_path(str(saved))
    for name, tensor in algorithm.learner_group._learner.export_weights():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=0)


@pytest.mark.fault("B19", promise="A script restores no torn checkpoint either: one line.")
def test_a_script_is_told_which_file_is_torn(make, tmp_path):
    algorithm = make(num_learners=0)
    saved = Path(algorithm.save_to_path(tmp_path / "new"))
    constructor, mark = saved / "class_and_ctor_args.pkl", saved / "rllib_checkpoint.json"
    whole = constructor.read_bytes()
    constructor.write_bytes(whole[:99])
    for place in (str(saved), saved.as_uri(), tune.Checkpoint(str(saved))):
        with pytest.raises(CheckpointError, match=r"class_and_ctor_args.pkl has 99 of"):
            GiGPO.from_checkpoint(place)
    with pytest.raises(CheckpointError, match=r"class_and_ctor_args.pkl has 99 of"):
        algorithm.restore_from_path(saved.as_uri())
    constructor.write_bytes(whole)
    mark.unlink()
    with pytest.raises(CheckpointError, match=f"{mark.name} is missing"):
        algorithm.restore_from_path(saved)
    (tmp_path / "run" / "trial" / "checkpoint_000000").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=rf"no {mark.name}\), but has some in .*trial"):
        algorithm.restore_from_path(tmp_path / "run")
    with pytest.raises(FileNotFoundError):
        algorithm.restore_from_path(tmp_path / "nowhere")


@pytest.mark.fault("B19", promise="A Learner that cannot restore ends the command, in words.")
@pytest.mark.parametrize("num_learners", LOCAL_AND_REMOTE)
def test_a_learner_that_cannot_restore_is_not_passed_over(make, tmp_path, num_learners):
    algorithm = make(num_learners=num_learners)
    saved = Path(algorithm.save_to_path(tmp_path / "new"))
    state = saved / "learner_group" / "learner" / "state.pkl"
    content = pickle.loads(state.read_bytes())
    content["optimizer"] = {"default_policy": 3}
    state.write_bytes(pickle.dumps(content))
    write_manifest(saved)
    with pytest.raises(CheckpointError, match=rf"{saved} could not be restored: a Learner reports"):
        algorithm.restore_from_path(saved)
    algorithm.train()  # the Learner is still in service


def test_a_part_of_a_checkpoint_is_restored_as_before(make, tmp_path):
    algorithm = make(num_learners=0)
    saved = Path(algorithm.save_to_path(tmp_path / "new"))
    start = dict(algorithm.learner_group._learner.export_weights())
    algorithm.train()
    algorithm.restore_from_path(saved / "learner_group", component="learner_group")
    for name, tensor in algorithm.learner_group._learner.export_weights():
        torch.testing.assert_close(tensor, start[name], rtol=0, atol=0)
    assert algorithm.training_iteration == 1


def test_a_state_in_another_format_does_not_hide_the_new_one(make, tmp_path):
    algorithm = make(num_learners=0)
    target = tmp_path / "new"
    algorithm.save_to_path(target)
    (target / "algorithm_state.pkl").rename(target / "algorithm_state.msgpack")
    write_manifest(target)  # as after save_to_path(use_msgpack=True)
    (target / "notes.txt").write_text("mine")
    algorithm.train()
    algorithm.save_to_path(target)
    assert sorted(one.name for one in target.glob("algorithm_state.*")) == ["algorithm_state.pkl"]
    assert (target / "notes.txt").read_text() == "mine"
    other = make(num_learners=0)
    other.restore_from_path(target)
    assert other.training_iteration == 1


def test_another_file_system_gets_a_whole_checkpoint(make, tmp_path):
    algorithm = make(num_learners=0)
    remote = pyarrow.fs.SubTreeFileSystem(str(tmp_path), pyarrow.fs.LocalFileSystem())
    algorithm.save_to_path("bucket/new", filesystem=remote)
    assert checkpoint_fault(tmp_path / "bucket" / "new") is None
    algorithm.restore_from_path("bucket/new", filesystem=remote)


@pytest.mark.slow
@pytest.mark.fault("B1", promise="A checkpoint restores under other numbers of Learners, runners.")
def test_two_learners_save_for_one_and_for_other_runners(make, tmp_path):
    two = make(num_learners=2)
    two.train()
    saved = two.save_to_path(tmp_path / "new")
    assert checkpoint_fault(Path(saved)) is None
    first = played_tasks(two)
    two.stop()  # there are CPUs for one of them
    config = two.config.copy(copy_frozen=False)
    config.learners(num_learners=0).env_runners(num_env_runners=2)
    one = GiGPO.from_checkpoint(saved, config=config)
    try:
        assert one.training_iteration == 1
        assert played_tasks(one) == first
    finally:
        one.stop()


def played_tasks(algorithm) -> list:
    algorithm.train()
    episodes = algorithm.last_batch["episodes"]
    return sorted(str(episode.custom_data[columns.TASK]) for episode in episodes)
