"""kill -9 of every process of `rllib train` in the middle of a save, and what is left of it."""

import json
from pathlib import Path

import pytest
from faults.command import command, write_experiment

from rllib_gigpo.checkpoints.finder import newest_checkpoint
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

SLOW_TO_SAVE = """

import pathlib


class SlowToSave(config.algo_class):
    def get_state(self, *args, **kwargs):
        mark = pathlib.Path({mark!r})
        if self.iteration == 3 and not mark.exists():
            mark.touch()
            time.sleep(600)
        return super().get_state(*args, **kwargs)


config.algo_class = SlowToSave
"""

pytestmark = pytest.mark.slow


@pytest.mark.fault(
    "B1", "B3", promise="kill -9 in a save: the run goes on, and what the save left is deleted."
)
def test_a_run_killed_in_a_save_goes_on_from_the_checkpoint_before(tmp_path, record_property):
    model, mark, temporary = (tmp_path / name for name in ("model", "saving", "temporary"))
    temporary.mkdir()
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(model)
    tokenizer.save_pretrained(model)
    file = write_experiment(tmp_path / "mine.py", model=model, stop=5)
    file.write_text(file.read_text() + SLOW_TO_SAVE.format(mark=str(mark)))
    run, how = tmp_path / "run", {"env": {"TMPDIR": str(temporary)}}
    place = ("--output", str(tmp_path), "--experiment-name", "run", "--checkpoint-freq", "1")

    with command("train", "file", str(file), *place, output=tmp_path / "log", **how) as running:
        running.wait_for(mark.exists)
    (left,) = temporary.glob("rllib_gigpo_save_*")
    (trial,) = (one for one in run.iterdir() if one.is_dir())
    assert newest_checkpoint(trial).path.name == "checkpoint_000001"

    resume = ("train", "file", str(file), "--resume", str(run))
    with command(*resume, output=tmp_path / "resumed", **how) as running:
        assert running.end() == 0, running.output
    lines = (trial / "result.json").read_text().splitlines()
    assert [json.loads(line)["training_iteration"] for line in lines][-3:] == [3, 4, 5]
    assert not left.exists()
    assert not list(Path(temporary).glob("rllib_gigpo_*"))
    record_property("lost", "the iteration whose save was killed")
