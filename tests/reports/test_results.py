import json
import math
from pathlib import Path

import pytest

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.reports.results import (
    IterationSummary,
    number,
    read_result_file,
    summarize,
    without_nan,
)

RESULT = {
    "training_iteration": 7,
    "time_total_s": 70.0,
    "time_this_iter_s": 9.5,
    "env_runners": {"success_rate": 0.25, "episode_len_mean": 6.5},
    "learners": {"default_policy": {"approx_kl": 0.01}},
    "credit": {"anchor_group_size_histogram": {"8": 2, "1": 5, "12": 1}},
    "timers": {"learn_s": 2.0, "sample_s": 3.0},
    "evaluation": {"env_runners": {"success_rate": 0.5, "success_ci_low": 0.4}},
}


def test_a_summary_picks_its_metrics_from_the_nested_result():
    assert summarize(RESULT) == IterationSummary(
        iteration=7,
        time_total_s=70.0,
        iteration_s=9.5,
        success_rate=0.25,
        episode_length=6.5,
        kl=0.01,
        eval_success_rate=0.5,
        eval_success_ci_low=0.4,
        phase_seconds=(("sample", 3.0), ("learn", 2.0)),
        anchor_group_sizes=((1, 5.0), (8, 2.0), (12, 1.0)),
    )


def test_missing_and_non_finite_metrics_are_none():
    assert summarize({}) == IterationSummary(iteration=0)
    assert number({"a": {"b": math.nan}}, "a/b") is None
    assert number({"a": "text"}, "a") is None
    assert number({"a": 1}, "a/b") is None


def test_metrics_that_are_nan_are_left_out_and_infinite_ones_stay():
    result = {"a": {"loss": math.nan, "deviation": math.inf}, "b": math.nan, "c": 1}
    assert without_nan(result) == {"a": {"deviation": math.inf}, "c": 1}


def test_warnings_are_part_of_a_summary():
    assert summarize({"warnings": {"update": "look here"}}).warnings == "look here"


def test_the_later_line_of_an_iteration_counts_and_a_torn_line_is_skipped(tmp_path: Path):
    lines = [
        {"training_iteration": 1, "env_runners": {"success_rate": 0.1}},
        {"training_iteration": 2, "env_runners": {"success_rate": 0.2}},
        {"training_iteration": 2, "env_runners": {"success_rate": 0.3}},
    ]
    file = tmp_path / "result.json"
    file.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"training_iter')

    summaries = read_result_file(file)

    assert [(one.iteration, one.success_rate) for one in summaries] == [(1, 0.1), (2, 0.3)]


def test_a_missing_result_file_is_named(tmp_path: Path):
    with pytest.raises(GiGPOError, match="no such file"):
        read_result_file(tmp_path / "result.json")
