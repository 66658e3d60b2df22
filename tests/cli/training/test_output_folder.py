"""A folder for the results that cannot be made is one sentence, with pyarrow's real errors."""

import os
from pathlib import Path

import pyarrow.fs
import pytest

from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.cli.training.tune_run import named_disk
from rllib_gigpo.errors import CheckpointError


@pytest.fixture
def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "results"


@pytest.mark.fault("B12", promise="A folder for results that cannot be made is one sentence.")
@pytest.mark.parametrize("kind", ["below a file", "too long a name", "in /proc"])
def test_a_folder_that_cannot_be_made_is_one_sentence(kind, below_a_file, tmp_path):
    output = {"below a file": below_a_file, "too long a name": tmp_path / ("x" * 300)}.get(
        kind, Path("/proc/results")
    )
    with (
        pytest.raises(CheckpointError, match=r"could not be written: .* MB free.*--output") as told,
        named_disk(RunSettings(output=output)),
    ):
        pyarrow.fs.LocalFileSystem().create_dir(str(output))
    assert os.sep in str(told.value)


def test_other_errors_are_not_blamed_on_the_folder(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="mine"),
        named_disk(RunSettings(output=tmp_path)),
    ):
        Path("mine.txt").read_text()
