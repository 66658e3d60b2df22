"""A folder appears whole or not at all, and nothing that was there is lost."""

from pathlib import Path

import pytest
from faults.small_disk import fill, small_disk

from rllib_gigpo.checkpoints.written_aside import disk_state, written_aside


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
