"""A folder appears whole or not at all, and nothing that was there is lost."""

import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from faults.small_disk import fill, small_disk

from rllib_gigpo.checkpoints import written_aside as module
from rllib_gigpo.checkpoints.written_aside import disk_state, temporary_folder, written_aside


def content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def write(target: Path, **files: str) -> None:
    with written_aside(target) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)


def test_it_appears_under_its_name_with_nothing_left_next_to_it(tmp_path: Path):
    with written_aside(tmp_path / "sub" / "new") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "sub" / "new").exists()
    assert content(tmp_path / "sub" / "new") == {"a": "1"}
    assert [one.name for one in (tmp_path / "sub").iterdir()] == ["new"]


def test_an_earlier_folder_is_replaced_and_other_files_in_it_stay(tmp_path: Path):
    target = tmp_path / "new"
    write(target, a="1", notes="mine")
    write(target, a="2", b="3")
    assert content(target) == {"a": "2", "b": "3", "notes": "mine"}
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


def test_an_empty_folder_keeps_its_permissions_and_a_link_its_target(tmp_path: Path):
    (tmp_path / "new").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("new")
    write(tmp_path / "link", a="1")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "new") == {"a": "1"}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def fail_after(target: Path, **files: str) -> None:
    with written_aside(target) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)
        raise RuntimeError("cut off")


def test_a_failure_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "new"
    write(target, a="1")
    with pytest.raises(RuntimeError):
        fail_after(target, a="2")
    assert content(target) == {"a": "1"}
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


@pytest.mark.fault("B1", promise="A save on a full disk leaves the earlier folder as it was.")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, record_property):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        write(disk / "new", a="1")
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            write(disk / "new", a="2" * 99_999)
        assert content(disk / "new") == {"a": "1"}
        state = disk_state(disk / "new" / "not" / "there")
    assert state == f"the disk at {disk} has 0 of 1 MB free"
    record_property("lost", "the failed save")


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def write_until_killed(target: Path) -> None:
    with written_aside(target) as folder, temporary_folder("test"):
        (folder / "a").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.fault("B1", promise="What a killed save left behind is deleted by the next one.")
def test_the_folders_of_a_killed_writer_are_deleted_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(module, "_UNLOCKED_S", 0.0)
    (tmp_path / "temporary").mkdir()
    target = tmp_path / "sub" / "new"
    write(target, a="1")
    killed = multiprocessing.get_context("fork").Process(target=write_until_killed, args=(target,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert len(names(tmp_path / "sub")) == 2
    assert len(names(tmp_path / "temporary")) == 1
    assert content(target) == {"a": "1"}

    write(target, a="2")
    assert names(tmp_path / "sub") == ["new"]
    assert content(target) == {"a": "2"}
    with temporary_folder("test") as folder:
        assert names(tmp_path / "temporary") == [folder.name]
    assert names(tmp_path / "temporary") == []


def test_the_folder_of_a_living_writer_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_UNLOCKED_S", 0.0)
    target = tmp_path / "new"
    with written_aside(target) as folder:
        (folder / "a").write_text("first")
        write(target, a="second")
        assert folder.is_dir()
    assert content(target) == {"a": "first"}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_writer_killed_between_the_two_renames_loses_nothing(tmp_path, monkeypatch, is_replaced):
    monkeypatch.setattr(module, "_UNLOCKED_S", 0.0)
    target, earlier = tmp_path / "new", tmp_path / ".new.earlier-0123abcd"
    write(earlier, a="1", notes="mine")
    if is_replaced:
        write(target, a="2")
    module.tidy(target)
    assert content(target) == {"a": "2" if is_replaced else "1", "notes": "mine"}
    assert names(tmp_path) == ["new"]


def test_a_folder_that_has_just_been_made_is_not_taken_for_one_left_behind(tmp_path):
    fresh, old = (tmp_path / f".new.partial-{name}" for name in ("fresh", "old"))
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 99,) * 2)
    module.tidy(tmp_path / "new")
    assert names(tmp_path) == [fresh.name]


def test_what_is_not_to_be_kept_of_an_earlier_folder_goes(tmp_path):
    target = tmp_path / "new"
    write(target, state="1", notes="mine")
    with written_aside(target, keep=lambda entry: entry.name != "state") as folder:
        (folder / "a").write_text("2")
    assert content(target) == {"a": "2", "notes": "mine"}
