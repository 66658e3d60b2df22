"""The report at the end of a run survives whatever the disk and matplotlib do."""

import json
import re
from pathlib import Path

import pytest
from faults.small_disk import fill, small_disk

from rllib_gigpo.cli.commands.evaluate import write_json
from rllib_gigpo.cli.training.closing_report import report_mismatch, report_trial, report_unfinished
from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.reports import plots
from rllib_gigpo.reports.results import IterationSummary


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return filled(tmp_path / "trial")


def filled(folder: Path) -> Path:
    """Write the results of two iterations."""
    folder.mkdir(parents=True)
    lines = [{"training_iteration": n, "env_runners": {"success_rate": n / 9}} for n in (1, 2)]
    (folder / "result.json").write_text("\n".join(map(json.dumps, lines)) + '\n{"training')
    return folder


@pytest.mark.fault("B12", promise="Figures on a full disk cost one sentence, which names the disk.")
def test_figures_on_a_full_disk_are_one_sentence(tmp_path, capsys, record_property):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        folder = filled(disk / "trial")
        fill(disk)
        report_trial(folder, experiment="mine", errors=None)
    output = capsys.readouterr().out
    (line,) = (line for line in output.splitlines() if line.startswith("no figures"))
    assert "No space left on device" in line
    assert re.search(r"the disk at .*/disk has 0 of 1 MB free", line)
    assert "Traceback" not in output
    record_property("lost", "the figures")


@pytest.mark.fault("B12", promise="Whatever fails in matplotlib is one sentence.")
def test_a_failure_of_matplotlib_is_one_sentence(trial, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise RuntimeError("no font\nand a long explanation")

    monkeypatch.setattr(plots, "learning_curve", fail)
    report_trial(trial, experiment="mine", errors=None)
    assert "no figures   RuntimeError: no font (the disk at " in capsys.readouterr().out


@pytest.mark.fault(
    "B12", promise="A failed run reports its error if error.txt could not be written."
)
@pytest.mark.parametrize("copy", [None, "", "Failure # 1\nOSError: on fi"])
def test_the_drivers_own_error_file_is_read_if_the_copy_is_torn(trial, tmp_path, copy, capsys):
    own = tmp_path / "error.txt"
    own.write_text("Failure # 1\nOSError: on fire\n")
    if copy is not None:
        (trial / "error.txt").write_text(copy)
    report_trial(trial, experiment="mine", errors=own)
    output = capsys.readouterr().out
    assert "OSError: on fire\n" in output
    assert f"the full error is in {own}" in output


@pytest.mark.fault("B12", promise="A missing error file is said in a sentence.")
def test_no_error_file_is_said(trial, tmp_path, capsys):
    report_trial(trial, experiment="mine", errors=tmp_path / "gone" / "error.txt")
    assert "cannot be read: No such file or directory" in capsys.readouterr().out


@pytest.mark.fault(
    "B12", promise="Metrics that cannot be written are shown, and the disk is named."
)
def test_metrics_on_a_full_disk_are_one_sentence(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        fill(disk)
        with pytest.raises(CheckpointError, match=r"No space left .*0 of 1 MB free.*--output"):
            write_json({"text": "a" * 9999}, disk / "evaluation.json")


def test_a_mismatch_of_engine_and_learner_is_reported_once(capsys):
    exact = IterationSummary(iteration=1, rollout_kl=1e-7, max_abs_logp_diff=6e-5)
    report_mismatch([exact])
    assert capsys.readouterr().out == ""
    others = [
        IterationSummary(iteration=n, rollout_kl=0.002, max_abs_logp_diff=n / 10) for n in (2, 3)
    ]
    report_mismatch([exact, *others])
    assert capsys.readouterr().out == (
        "mismatch     engine and Learner differ in 2 of 3 iterations; most in 3: KL 0.0020, at most"
        " 0.30\n"
    )


def test_an_error_of_ours_needs_no_traceback(trial, capsys):
    (trial / "error.txt").write_text(
        "Failure # 1\nTraceback (most recent call last):\n  File ...\n"
        "rllib_gigpo.errors.EnvContractError: no server;\nstart one\n"
    )
    report_trial(trial, experiment="mine", errors=trial / "error.txt")
    output = capsys.readouterr().out
    assert output.startswith("EnvContractError: no server;\nstart one\nthe run failed;")
    assert "Traceback" not in output


def test_only_a_run_that_has_trained_is_told_to_write_checkpoints_more_often(tmp_path, capsys):
    trial = tmp_path / "trial"
    trial.mkdir()
    (trial / "result.json").touch()
    report_unfinished(tmp_path, how="failed")
    assert capsys.readouterr().out.splitlines() == [
        "failed       before the first checkpoint, so there is nothing to resume"
    ]
    (trial / "result.json").write_text("{}\n")
    report_unfinished(tmp_path, how="failed")
    assert "perhaps with a smaller --checkpoint-freq" in capsys.readouterr().out
