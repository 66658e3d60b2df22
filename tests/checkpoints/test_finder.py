"""The newest whole checkpoint is found, and those passed over are named with the reason."""

import json
from pathlib import Path

import pytest
from faults.small_disk import DAMAGES

from rllib_gigpo.checkpoints.finder import (
    MANIFEST_ENTRY,
    MARK,
    check_whole,
    find_checkpoint,
    newest_checkpoint,
)
from rllib_gigpo.checkpoints.manifest import MANIFEST, write_manifest
from rllib_gigpo.errors import CheckpointError


def make_checkpoint(folder: Path, *, has_manifest: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / MARK).write_text(json.dumps({MANIFEST_ENTRY: MANIFEST} if has_manifest else {}))
    (folder / "weights.bin").write_bytes(bytes(99))
    if has_manifest:
        write_manifest(folder)
    return folder


def test_a_checkpoint_is_found_as_itself_and_as_the_newest_of_its_trial(tmp_path: Path):
    trial = tmp_path / "run" / "trial"
    make_checkpoint(trial / "checkpoint_000000")
    newest = make_checkpoint(trial / "checkpoint_000001", has_manifest=False)

    for place in (newest, trial, tmp_path / "run"):
        found = find_checkpoint(place)
        assert (found.path, found.passed_over) == (newest, ())


def test_no_checkpoint_and_a_choice_of_trials_are_errors(tmp_path: Path):
    assert newest_checkpoint(tmp_path) is None
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        find_checkpoint(tmp_path)
    make_checkpoint(tmp_path / "trial_1" / "checkpoint_000000")
    make_checkpoint(tmp_path / "trial_2" / "checkpoint_000000")
    with pytest.raises(CheckpointError, match="several trials"):
        find_checkpoint(tmp_path)


@pytest.mark.fault("B7", promise="The newest whole checkpoint is taken; others are named.")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [MARK, MANIFEST, "weights.bin"])
def test_a_torn_checkpoint_is_passed_over_with_the_reason(tmp_path, name, damage, capsys):
    whole = make_checkpoint(tmp_path / "checkpoint_000003")
    torn = make_checkpoint(tmp_path / "checkpoint_000004")
    (tmp_path / "checkpoint_000005").mkdir()
    DAMAGES[damage](torn / name)

    found = find_checkpoint(tmp_path)
    assert found.path == whole
    assert newest_checkpoint(tmp_path) == found
    found.report()
    empty, reason, taken = capsys.readouterr().out.splitlines()
    assert empty == f"passed over  checkpoint_000005: {MARK} is missing"
    assert reason.startswith("passed over  checkpoint_000004: ")
    assert taken == f"taken        {whole}, the newest whole checkpoint"
    with pytest.raises(CheckpointError, match=f"is not whole: .*; use {whole}, which is whole"):
        find_checkpoint(torn)


@pytest.mark.fault("B7", promise="If no checkpoint is whole, each is named with the reason.")
def test_a_trial_without_a_whole_checkpoint_is_an_error(tmp_path: Path):
    torn = make_checkpoint(tmp_path / "checkpoint_000004")
    (torn / "weights.bin").unlink()
    expected = "holds no whole checkpoint: checkpoint_000004: weights.bin is missing"
    with pytest.raises(CheckpointError, match=expected):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="copy it again"):
        check_whole(torn)
