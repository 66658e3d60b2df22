"""The benchmark of SmolLM2: rates and gains from the records of runs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import smollm2


def record(num_won, *, num_games=100, success=(), cold_start_s=60.0, train_s=540.0, peak=7e9):
    return {
        "won": {str(game): game < num_won for game in range(num_games)},
        "success": list(success),
        "cold_start_s": cold_start_s,
        "train_s": train_s,
        "peak_bytes": peak,
    }


@pytest.fixture
def records():
    return {
        "start": record(0),
        "cold": record(30),
        "gigpo_seed0": record(60, success=[0.3, 0.6]),
        "grpo_seed0": record(40, success=[0.3, 0.4], train_s=1140.0, peak=7.5e9),
        "gigpo_seed1": record(70, success=[0.3, 0.7]),
        "grpo_seed1": record(30, success=[0.3, 0.3]),
    }


def test_figures_are_the_rates_their_intervals_and_the_worst_run(records):
    figures = {one.name: one for one in smollm2.figures_of(records, prefix="smollm2")}
    assert figures["smollm2_start"].value == 0
    assert figures["smollm2_cold"].value == 0.3
    assert figures["smollm2_gigpo_seed1"].value == 0.7
    assert figures["smollm2_gigpo_seed1/low"].value == pytest.approx(0.604, abs=1e-3)
    assert figures["smollm2_minutes"].value == 20
    assert figures["smollm2_memory_gb"].value == 7.5
    assert figures["smollm2_minutes"].n == 4


def test_the_gain_over_the_cold_start_is_paired_by_game(records):
    # The mean of two seeds minus the cold start: 0 for 30 games, 1 for 30, 0.5 for 10, 0 for 30.
    gain = smollm2.gain_over_cold(records, "gigpo")
    assert gain.mean == pytest.approx(0.35)
    assert gain.num_pairs == 100
    figures = {one.name: one for one in smollm2.figures_of(records, prefix="smollm2")}
    assert figures["smollm2_gigpo/gain_over_cold"].value == pytest.approx(0.35)
    assert figures["smollm2_gigpo/gain_over_cold_low"].target == "> 0"
    assert figures["smollm2_gigpo/gain_over_cold_low"].value > 0.25


def test_the_table_shows_every_run(records):
    text = smollm2.table(records)
    assert "0.60 [0.50, 0.69]" in text
    assert "gigpo over the cold start, paired by game: +35.0" in text
