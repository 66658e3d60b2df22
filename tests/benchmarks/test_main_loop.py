"""The benchmark of the main loop: medians of iterations and runs, and files of one commit."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import main_loop


def run_of(*seconds):
    """A run whose iterations took so long, half of the time for sampling."""
    phases = {"credit_s": 0.0, "learn_s": 0.0, "sync_s": 0.0}
    return {
        "iterations": [
            {"seconds": one, "sample_s": one / 2, "rest_s": one / 2, **phases} for one in seconds
        ]
    }


def test_a_commits_time_is_the_median_of_its_runs_last_iterations():
    runs = [run_of(90, 1, 2, 3), run_of(90, 5, 4, 6), run_of(90, 7, 7, 7)]
    times = main_loop.commit_times(runs, last=3)
    assert (times["seconds"], times["sample_s"], times["rest_s"]) == (5, 2.5, 2.5)


def test_the_figure_is_this_commits_time_over_the_others():
    here, there = (main_loop.commit_times([run_of(one)], last=1) for one in (2, 5))
    ratio, *seconds = main_loop.figures_of(here, there, num_runs=3)
    assert (ratio.issue, ratio.name, ratio.value, ratio.n) == (14, "main_job_ratio", 0.4, 3)
    assert {figure.issue for figure in seconds} == {14}
    assert "| iteration | 2.000 s | 5.000 s | 0.40 |" in main_loop.table({"a": here, "b": there})


def test_a_checkout_has_the_files_of_its_commit():
    with main_loop.checkout("HEAD") as root:
        assert (root / main_loop.EXPERIMENTS[0]).is_file()
    assert not root.exists()


def test_more_last_iterations_than_iterations_are_an_error(capsys):
    with pytest.raises(SystemExit):
        main_loop.parse_arguments(["--iterations", "5", "--last", "6"])
    assert "--last must be from 1" in capsys.readouterr().err
