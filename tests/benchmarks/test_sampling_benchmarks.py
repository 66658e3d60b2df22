"""The numbers that the benchmarks of sampling make of their measurements."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import async_learning
import group_queue
import soak


def test_a_slope_leaves_out_the_warm_up():
    points = [(i, 1000.0 * i if i <= 200 else 5.0 * i) for i in range(20, 1000, 20)]
    assert soak.slope(points, 200) == pytest.approx(5.0)
    assert soak.slope(points, 1000) == 0.0


def test_a_restarted_process_has_its_own_warm_up():
    drawn = [(i, 5.0 * i) for i in range(20, 2000, 20)]
    restarted = [(i, 7e4 + 90.0 * (i % 800) if i < 1000 else 3.0 * i) for i, _ in drawn]
    slopes = soak.slopes_after_warm_up({"driver_kb": drawn, "runner_kb": restarted}, last_kill=800)
    assert slopes == pytest.approx({"driver_kb": 5.0, "runner_kb": 3.0})


def record(seed, success):
    return {
        "seed": seed,
        "seconds": 60.0,
        "test_success": 0.5,
        "stale_token_share": 0.25,
        "num_groups_stale": 2,
        "iterations": [{"success_rate": success}] * 6,
    }


def test_staleness_is_compared_with_the_interval_of_training_in_turns():
    records = {
        k: [record(seed, s) for seed, s in enumerate(success)] for k, success in RUNS.items()
    }
    figures = {one.name: one for one in async_learning.figures_of(records)}
    assert figures["async_learning_k0"].value == pytest.approx(0.9)
    assert figures["async_learning_k0/low"].value == pytest.approx(
        0.9 - 4.3027 * 0.1 / 3**0.5, 1e-3
    )
    assert figures["async_learning_k1"].target == ">= 0.652"
    assert figures["async_learning_k1/gain"].value == pytest.approx(-0.1)
    assert figures["async_learning_k1"].n == 3


RUNS = {0: (0.8, 0.9, 1.0), 1: (0.7, 0.8, 0.9)}


def test_one_process_alone_is_the_slow_one(tmp_path):
    file = tmp_path / "slow"
    assert group_queue.is_first_process(file)
    assert group_queue.is_first_process(file)
    file.write_text("1")
    assert not group_queue.is_first_process(file)
