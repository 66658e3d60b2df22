"""Transcripts: bounded in size, compressed, and never the end of a run."""

import gzip
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from faults.small_disk import fill, small_disk

from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.reports import transcripts
from rllib_gigpo.reports.token_texts import TokenTexts


def lines_of(file: Path) -> list[dict]:
    with gzip.open(file, "rt") as text:
        return [json.loads(line) for line in text]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes the transcript of an iteration and returns its warnings."""

    def write(iteration, lines, folder=tmp_path, **settings):
        monkeypatch.setattr(transcripts, "transcript_lines", lambda batch, num_groups: iter(lines))
        options = transcripts.TranscriptSettings(**{"interval": 1, **settings})
        algorithm = SimpleNamespace(_storage=None, logdir=str(folder), last_batch={"episodes": []})
        result = {"training_iteration": iteration}
        transcripts.TranscriptWriter(options).on_train_result(algorithm=algorithm, result=result)
        return result.get("warnings", {})

    return write


def noise(group, number=1):
    """Return lines that gzip cannot make much smaller."""
    numbers = random.Random(group)
    return [{"group_id": group, "text": f"{numbers.getrandbits(80_000):x}"} for _ in range(number)]


@pytest.mark.fault("B12", promise="A transcript that cannot be written is a warning, not the end.")
def test_a_full_disk_costs_the_transcript_and_not_the_run(tmp_path: Path, write):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        ballast = fill(disk, leave_kb=20)
        assert write(1, noise(0, 9), disk)["transcripts"] == (
            "no transcript of iteration 1: No space left on device "
            f"(the disk at {disk} has 0 of 1 MB free)"
        )
        assert list((disk / "transcripts").iterdir()) == []
        ballast.unlink()
        assert write(2, noise(0, 9), disk) == {}
        assert len(lines_of(disk / "transcripts" / "iteration_000002.jsonl.gz")) == 9


def test_a_file_holds_whole_groups_up_to_the_bound(tmp_path, write):
    lines = [*noise(0, 3), *noise(1, 3), *noise(2, 3)]
    assert write(1, lines, max_mb=0.04)["transcripts"] == (
        "2 groups are not in the transcript of iteration 1: max_mb=0.04 is reached"
    )
    (file,) = (tmp_path / "transcripts").iterdir()
    assert [line["group_id"] for line in lines_of(file)] == [0, 0, 0]


def test_beyond_the_bound_files_in_the_middle_are_deleted(tmp_path, write):
    for iteration in range(1, 10):
        assert write(iteration, noise(iteration), max_mb=0.06) == {}
    kept = sorted(file.name for file in (tmp_path / "transcripts").iterdir())
    numbers = [int(name[10:16]) for name in kept]
    assert (numbers[0], numbers[-1]) == (1, 9)
    assert 3 <= len(numbers) < 9
    assert sum(file.stat().st_size for file in (tmp_path / "transcripts").iterdir()) <= 60_000


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"max_mb": 0}, {"interval": -1}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        transcripts.TranscriptSettings(**wrong)


@pytest.mark.parametrize("text", ["go left", "naïve – 你好 🙂!", ""])
def test_the_texts_of_tokens_add_up_to_the_answer(text):
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    token_ids = tokenizer.encode(text, add_special_tokens=False)
    texts = TokenTexts(tokenizer)(token_ids)
    assert len(texts) == len(token_ids)
    assert "".join(texts) == tokenizer.decode(token_ids)
    assert "\ufffd" not in "".join(texts)


def test_tokens_that_read_otherwise_alone_are_read_in_context():
    class Spaced:
        """A tokenizer that drops the space before the first token, as Llama's does."""

        words = (" go", " left", " now")

        def decode(self, token_ids, **kwargs):
            return "".join(self.words[token] for token in token_ids).removeprefix(" ")

    assert TokenTexts(Spaced())([0, 1, 2, 1]) == ["go", " left", " now", " left"]


def test_a_run_on_a_local_disk_has_its_transcripts_where_its_results_are(tmp_path):
    storage = SimpleNamespace(
        storage_filesystem=SimpleNamespace(type_name="local"), trial_fs_path=str(tmp_path)
    )
    here = SimpleNamespace(_storage=storage, logdir="elsewhere")
    assert transcripts._run_folder(here) == tmp_path
    storage.storage_filesystem.type_name = "s3"
    assert transcripts._run_folder(here) == Path("elsewhere")
