import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import compare_rules


def record_of(success_rates, *, test_success=0.5, seconds=60.0, ratio_deviation=1e-6):
    return {
        "seconds": seconds,
        "test_success": test_success,
        "iterations": [
            {"success_rate": rate, "max_ratio_deviation_fresh": ratio_deviation}
            for rate in success_rates
        ],
    }


def test_the_goal_is_reached_where_a_window_of_five_averages_it():
    # Iterations 2 to 6 average 0.7; 1 to 5 average 0.58.
    assert compare_rules.iterations_to(0.7, [0.2, 0.5, 0.6, 0.7, 0.9, 0.8]) == 6
    assert compare_rules.iterations_to(0.7, [0.6] * 20) is None
    assert compare_rules.iterations_to(0.7, [1.0] * 4) is None


def test_runs_are_summed_up_by_their_last_five_iterations():
    summary = compare_rules.summarize_runs(
        "gigpo",
        [
            record_of([0.0] + [0.8] * 5, test_success=0.6, seconds=60, ratio_deviation=2e-5),
            record_of([0.0] + [1.0] * 5, test_success=0.8, seconds=120),
        ],
    )

    assert summary.first_success_mean == pytest.approx((0.64 + 0.8) / 2)
    assert summary.final_success_mean == pytest.approx(0.9)
    # Unbiased: sqrt((0.1^2 + 0.1^2) / 1).
    assert summary.final_success_std == pytest.approx(0.02**0.5)
    # The first five iterations, which begin with 0, average 0.64 and 0.8.
    assert summary.iterations_to_goal_mean == pytest.approx((6 + 5) / 2)
    assert summary.test_success_mean == pytest.approx(0.7)
    assert summary.test_success_std == pytest.approx(0.02**0.5)
    assert summary.seconds_mean == 90
    assert summary.max_ratio_deviation_fresh == 2e-5


def test_a_variant_with_a_run_below_the_goal_has_no_mean_time_to_it():
    summary = compare_rules.summarize_runs("grpo", [record_of([0.9] * 5), record_of([0.1] * 5)])

    assert summary.iterations_to_goal_mean is None
    row = "| grpo | 2 | 0.50 | 0.50 ± 0.57 | 1 of 2 runs | 0.50 ± 0.00 | 1.0 | 1e-06 |"
    assert compare_rules.table_lines([summary])[-1] == row


def test_only_missing_runs_are_done_and_all_are_compared(tmp_path: Path, monkeypatch):
    done = []

    def fake_run(command, check):
        variant, seed = command[command.index("--one") + 1 :][:2]
        done.append((variant, seed))
        write_record(tmp_path, compare_rules.Run(variant, int(seed)))

    monkeypatch.setattr(subprocess, "run", fake_run)
    write_record(tmp_path, compare_rules.Run("gigpo", 1))

    assert (
        compare_rules.main(
            ["--output", str(tmp_path), "--variants", "gigpo", "grpo", "--seeds", "1", "2"]
        )
        == 0
    )

    assert done == [("grpo", "1"), ("gigpo", "2"), ("grpo", "2")]
    rows = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert [(row["variant"], row["num_runs"]) for row in rows] == [("gigpo", 2), ("grpo", 2)]
    assert (tmp_path / "learning.png").is_file()
    table = (tmp_path / "table.md").read_text().splitlines()
    assert [line for line in table if line.startswith("| g")] == table[2:4]


def write_record(folder: Path, run: compare_rules.Run) -> None:
    record = {
        **record_of([0.5] * 6),
        "variant": run.variant,
        "seed": run.seed,
        "experiment": "x.py",
    }
    compare_rules.write_json(record, run.file(folder))


def test_gains_are_paired_by_seed():
    by_variant = {
        "grpo": [seeded(0, 0.2, 0.5), seeded(1, 0.6, 0.5), seeded(2, 0.9, 0.5)],
        "gigpo": [seeded(1, 0.8, 0.5), seeded(0, 0.3, 0.5)],
    }
    gains = compare_rules.gains_over("grpo", by_variant)
    final = gains["gigpo"]["last 5 iterations"]
    # 0.1 and 0.2: mean 0.15, standard error 0.05, Student's 97.5 % point of 1 degree: 12.706.
    assert final.mean == pytest.approx(0.15)
    assert final.high - final.mean == pytest.approx(12.706 * 0.05, rel=1e-4)
    assert not final.is_shown
    assert gains["gigpo"]["unseen games"].mean == 0.0
    assert set(gains) == {"gigpo"}
    line = compare_rules.gain_lines(gains)[0]
    assert line == "\ngigpo over grpo, last 5 iterations: +15.0 points [-48.5, +78.5]: none shown"


def seeded(seed, rate, test_success):
    return {**record_of([rate] * 6, test_success=test_success), "seed": seed}
