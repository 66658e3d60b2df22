from pathlib import Path

import pytest

from rllib_gigpo.cli.checkpoints import find_checkpoint, newest_checkpoint
from rllib_gigpo.errors import CheckpointError


def make_checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "rllib_checkpoint.json").write_text("{}")
    return folder


def test_a_checkpoint_is_found_as_itself_and_as_the_newest_of_its_trial(tmp_path: Path):
    trial = tmp_path / "run" / "trial"
    make_checkpoint(trial / "checkpoint_000000")
    newest = make_checkpoint(trial / "checkpoint_000001")

    assert find_checkpoint(newest) == newest
    assert find_checkpoint(trial) == newest
    assert find_checkpoint(tmp_path / "run") == newest


def test_no_checkpoint_and_a_choice_of_trials_are_errors(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        find_checkpoint(tmp_path)
    make_checkpoint(tmp_path / "trial_1" / "checkpoint_000000")
    make_checkpoint(tmp_path / "trial_2" / "checkpoint_000000")
    with pytest.raises(CheckpointError, match="several trials"):
        find_checkpoint(tmp_path)


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path):
    assert newest_checkpoint(tmp_path) is None
    whole = make_checkpoint(tmp_path / "checkpoint_000003")
    (tmp_path / "checkpoint_000004").mkdir()

    assert newest_checkpoint(tmp_path) == whole
    assert find_checkpoint(tmp_path) == whole
