"""Transcripts on a disk that is full: one sentence among the iteration's warnings."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from faults.small_disk import fill, small_disk

from rllib_gigpo.reports import transcripts


@pytest.mark.fault("B12", promise="A transcript that cannot be written is a warning, not the end.")
def test_a_full_disk_costs_the_transcript_and_not_the_run(tmp_path: Path, monkeypatch):
    lines = [{"response": "go left " * 999}] * 9
    monkeypatch.setattr(transcripts, "transcript_lines", lambda batch, num_groups: iter(lines))
    writer = transcripts.TranscriptWriter(transcripts.TranscriptSettings(interval=1))
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        algorithm = SimpleNamespace(logdir=str(disk), last_batch={"episodes": []})
        ballast = fill(disk, leave_kb=20)
        result = {"training_iteration": 1}
        writer.on_train_result(algorithm=algorithm, result=result)
        assert result["warnings"]["transcripts"] == (
            "no transcript of iteration 1: No space left on device "
            f"(the disk at {disk} has 0 of 1 MB free)"
        )
        assert list((disk / "transcripts").iterdir()) == []
        ballast.unlink()
        result = {"training_iteration": 2}
        writer.on_train_result(algorithm=algorithm, result=result)
        assert "warnings" not in result
        assert len((disk / "transcripts" / "iteration_000002.jsonl").read_text().split("\n")) == 10
