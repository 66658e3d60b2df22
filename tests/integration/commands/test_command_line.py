"""`rllib` with the real algorithm: train, evaluate, continue, and dry-run an experiment."""

import json
from pathlib import Path

import pytest

from rllib_gigpo.cli.main import main

pytestmark = pytest.mark.usefixtures("ray_session")


def result_lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "result.json").read_text().splitlines()]


def test_a_run_leaves_figures_transcripts_and_what_tensorboard_reads(trained: Path):
    assert (trained / "learning_curve.png").is_file()
    assert (trained / "anchor_group_sizes.png").is_file()
    assert len(list((trained / "transcripts").iterdir())) == 2
    assert list(trained.glob("events.out.tfevents*"))


def test_a_trained_checkpoint_is_evaluated_as_it_was_at_the_end_of_training(
    trained: Path, experiment: Path, tmp_path: Path
):
    last = result_lines(trained)[-1]
    # A user who receives a checkpoint does not have the initial model.
    start_model = experiment.parent / "model"
    start_model.rename(tmp_path / "gone")
    try:
        assert main(["evaluate", str(trained)]) == 0
    finally:
        (tmp_path / "gone").rename(start_model)

    (report,) = trained.glob("evaluation_checkpoint_*.json")
    # Evaluation is greedy here, so the same weights play the same episodes.
    metrics = json.loads(report.read_text())["env_runners"]
    trained = last["evaluation"]["env_runners"]
    for name in ("success_rate", "num_env_steps", "format_valid_rate", "response_tokens_mean"):
        assert metrics[name] == trained[name]
    assert metrics["num_episodes"] == 6


@pytest.mark.slow
def test_a_finished_run_is_continued_from_its_checkpoint(
    trained: Path, experiment: Path, tmp_path: Path
):
    (checkpoint,) = trained.glob("checkpoint_*")
    options = ["--resume", str(checkpoint), "--stop", '{"training_iteration": 3}']
    assert main(["train", "file", str(experiment), "--output", str(tmp_path), *options]) == 0

    (folder,) = (file.parent for file in tmp_path.glob("*/*/result.json"))
    (line,) = result_lines(folder)
    assert (line["training_iteration"], line["policy_version"]) == (3, 3)
    assert line["learners"]["default_policy"]["max_ratio_deviation_fresh"] < 1e-4


def test_a_dry_run_estimates_and_runs_one_iteration(experiment: Path, capsys):
    assert main(["train", "file", str(experiment), "--dry-run"]) == 0

    output = capsys.readouterr().out
    assert "each of 1 Learners" in output
    assert "asks Ray for 1 CPU" in output
    assert "the dry run succeeded" in output
