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


@pytest.mark.fault("B19", promise="A mark that lost its note of the manifest hides no damage.")
def test_a_changed_mark_does_not_hide_the_manifest(tmp_path: Path):
    checkpoint = make_checkpoint(tmp_path / "mine")
    (checkpoint / MARK).write_text("{}")
    with pytest.raises(CheckpointError, match=f"{MARK} has 2 of "):
        find_checkpoint(checkpoint)


def test_numbers_in_names_are_compared_as_numbers(tmp_path: Path):
    for name in ("step_9", "step_10"):
        make_checkpoint(tmp_path / name)
    assert find_checkpoint(tmp_path).path.name == "step_10"
    for name in ("checkpoint_999999", "checkpoint_1000000"):
        make_checkpoint(tmp_path / name)
    assert find_checkpoint(tmp_path).path.name == "checkpoint_1000000"


def test_links_are_followed_and_counted_once(tmp_path: Path):
    trial = tmp_path / "run" / "trial"
    older = make_checkpoint(trial / "checkpoint_000000")
    newest = make_checkpoint(trial / "checkpoint_000001")
    (trial / "checkpoint_latest").symlink_to(older.name)
    (tmp_path / "run" / "last").symlink_to("trial")
    assert find_checkpoint(tmp_path / "run").path == newest
    assert find_checkpoint(trial / "checkpoint_latest").path == trial / "checkpoint_latest"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "checkpoint_000000").symlink_to(older)
    assert find_checkpoint(elsewhere).path == elsewhere / "checkpoint_000000"


@pytest.mark.fault("B1", promise="A killed save leaves nothing that is taken for a checkpoint.")
def test_what_a_killed_save_left_is_not_a_checkpoint(tmp_path: Path):
    whole = make_checkpoint(tmp_path / "mine")
    make_checkpoint(tmp_path / ".mine.partial-0123abcd")
    assert find_checkpoint(tmp_path).path == whole
    whole.rename(tmp_path / ".mine.earlier-0123abcd")
    assert find_checkpoint(whole).path == whole
