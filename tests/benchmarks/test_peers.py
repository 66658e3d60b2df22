"""The comparison with a peer: row files, reports of runs and ratios."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "peers"))
import compare_trl
from row_file import RecordedRows, read_rows, write_rows
from side_report import Clock, parse_result, print_result

from rllib_gigpo.batch.token_rows import TokenRows


def five_rows():
    rows = TokenRows.from_rows(
        [[1, 2], [3], [4, 5, 6], [7], [8, 9]],
        [[10], [11, 12], [13], [14], [15]],
        rollout_logp=[np.full(length, -0.5) for length in (1, 2, 1, 1, 1)],
        advantages=np.arange(6.0),
        minibatch_ids=np.array([0, 1, 0, 1, 1]),
        num_minibatches=2,
        group_ids=np.array([0, 0, 0, 1, 1]),
    )
    return RecordedRows(rows, np.array([0, 0, 1, 2, 2]))


def test_rows_come_back_from_their_file(tmp_path):
    written = five_rows()
    write_rows(tmp_path / "job" / "early.npz", written)
    read = read_rows(tmp_path / "job" / "early.npz")

    assert read.num_tokens == 15
    assert read.rows.old_values is None
    for name in ("token_ids", "rollout_logp", "advantages", "minibatch_token_counts"):
        column = getattr(read.rows, name)
        np.testing.assert_array_equal(column, getattr(written.rows, name))
        assert column.dtype == getattr(written.rows, name).dtype
    np.testing.assert_array_equal(read.rows.group_ids, written.rows.group_ids)
    np.testing.assert_array_equal(read.trajectory_ids, written.trajectory_ids)


def test_dropped_rows_do_not_count_in_their_minibatch():
    trimmed = five_rows().trimmed(2)

    assert trimmed.rows.num_rows == 4
    assert trimmed.rows.group_ids.tolist() == [0, 0, 0, 1]
    assert trimmed.rows.minibatch_token_counts.tolist() == [2.0, 3.0]
    assert trimmed.rows.minibatch_row_counts.tolist() == [2.0, 2.0]


def test_a_run_reports_one_line_among_others(capsys):
    clock = Clock()
    clock.start()
    clock.stop()
    print("a library's line")
    print_result({**clock.seconds, "num_tokens": 7})
    print("another")

    result = parse_result(capsys.readouterr().out)
    assert result["num_tokens"] == 7
    assert len(result["wall_s"]) == len(result["cpu_s"]) == 1
    assert result["load_average"] >= 0


def test_output_without_a_result_is_an_error():
    with pytest.raises(ValueError, match="the output ends with:\nsome error"):
        parse_result("some error")


def updates(*seconds):
    return {"wall_s": list(seconds), "num_tokens": 100, "load_average": 1.0}


def iteration(seconds, rollout_s):
    line = {"seconds": seconds, "rollout_s": rollout_s, "update_s": seconds - rollout_s}
    return line | {"num_episodes": 64, "num_steps": 640, "success_rate": 0.5}


RESULTS = {
    "learner_early_ours": [updates(1.0, 2.0), updates(3.0)],
    "learner_early_ours_shared": [updates(1.0)],
    "learner_early_trl": [updates(6.0)],
    "learner_early_trl_recomputed": [updates(8.0)],
    "learner_late_ours": [updates(2.0)],
    "learner_late_trl": [updates(4.0)],
    "loop_ours": [{"iterations": [iteration(10.0, 8.0)], "load_average": 1.0}],
    "loop_trl": [
        {"iterations": [iteration(40.0, 10.0)], "load_average": 1.0},
        {"iterations": [iteration(60.0, 30.0)], "load_average": 2.0},
    ],
}


def test_a_ratio_of_learners_is_the_lowest_of_the_kinds_of_rows():
    found = compare_trl.ratios(RESULTS, "wall_s")

    assert found["trl_learner"] == pytest.approx(2.0)  # late: 4 / 2; early: 6 / 2
    assert found["trl_learner_shared"] == pytest.approx(6.0)
    assert found["trl_learner_recomputed"] == pytest.approx(4.0)


def test_ratios_of_loops_are_those_of_all_iterations_together():
    found = compare_trl.ratios(RESULTS, "wall_s")

    assert found["trl_episodes"] == pytest.approx(5.0)  # 50 s on average / 10 s
    assert found["trl_steps"] == pytest.approx(5.0)
    assert found["trl_rollouts"] == pytest.approx(2.5)  # 20 s on average / 8 s


def test_parts_that_did_not_run_have_no_ratio():
    ours = {"learner_early_ours": RESULTS["learner_early_ours"]}
    assert compare_trl.ratios(ours, "wall_s") == {}


def test_figures_have_the_targets_of_the_issue():
    found = compare_trl.ratios(RESULTS, "wall_s")
    made = {one.name: (one.issue, one.target, one.n) for one in compare_trl.figures_of(found, 3)}

    assert made["trl_learner"] == (14, ">= 1", 3)
    assert made["trl_learner_shared"] == (14, ">= 2", 3)
    assert made["trl_episodes"] == (14, ">= 2", 3)
    assert made["trl_rollouts"] == (14, None, 3)


def test_the_table_names_every_run_and_its_load():
    found = compare_trl.ratios(RESULTS, "wall_s")
    lines = list(compare_trl.table(RESULTS, found, "wall_s"))

    assert len(lines) == len(RESULTS) + len(found)
    assert lines[0].split() == ["learner_early_ours", "tokens/s", "50.00", "(load", "1.0)"]
    assert any(line.startswith("loop_trl") and "(load 2.0)" in line for line in lines)


def test_sharing_is_measured_only_if_asked_for():
    arguments = compare_trl.parse_arguments(["--rows", "early", "--parts", "learner"])
    assert "learner_early_ours_shared" not in compare_trl.planned_runs(arguments, is_shared=False)
    shared = compare_trl.planned_runs(arguments, is_shared=True)["learner_early_ours_shared"]
    assert shared[-1] == "--shared"
