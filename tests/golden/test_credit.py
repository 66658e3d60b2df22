"""The credit pipeline gives the recorded credit."""

from dataclasses import fields

import numpy as np
import pytest
from golden.comparison import deviation, partition
from golden.record_credit import COLUMNS, LABELS, MINIBATCH_IDS, LearnerColumns, run_case
from golden.record_loss import ROW_ARRAYS
from golden.recorded_episodes import read_episodes
from golden.recordings import EPISODES, FOLDER, read_arrays, read_json

from rllib_gigpo import columns

CASES = read_json("credit.json")["cases"]
GONE = ["grpo_score", "rloo_step"]
COMPUTED = [index for index, case in enumerate(CASES) if "gone" not in case]
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def recorded():
    return read_arrays("credit.npz")


@pytest.fixture(scope="module")
def episodes():
    return read_episodes(FOLDER / EPISODES)


@pytest.fixture(scope="module")
def run(recorded, episodes):
    learners = LearnerColumns(**{one.name: recorded[one.name] for one in fields(LearnerColumns)})
    return lambda case: run_case(case, episodes, learners)


def test_only_the_cases_whose_setting_is_gone_are_left_out():
    assert [case["name"] for case in CASES if "gone" in case] == GONE
    assert len(COMPUTED) == len(CASES) - len(GONE) == 42


@pytest.mark.parametrize("index", COMPUTED, ids=[CASES[index]["name"] for index in COMPUTED])
def test_a_case_gives_the_recorded_credit(index, run, recorded):
    case = CASES[index]
    result = run(case)
    expected = {name: recorded[name] for name in LABELS}
    expected |= {name: recorded[name][index] for name in COLUMNS}
    for name in (*LABELS, MINIBATCH_IDS):
        np.testing.assert_array_equal(result.arrays[name], expected.pop(name), err_msg=name)
    name = columns.ANCHOR_GROUP_IDS
    found, labels = partition(result.arrays[name]), partition(expected.pop(name))
    np.testing.assert_array_equal(found, labels, err_msg=name)
    deviations = {name: deviation(result.arrays[name], array) for name, array in expected.items()}
    assert {name: value for name, value in deviations.items() if value > TOLERANCE} == {}
    for name in ("optional_columns", "num_minibatches"):
        assert result.outcome[name] == case[name]
    found, metrics = flat(result.outcome["metrics"]), flat(case["metrics"])
    assert {name: found.get(name) for name in metrics} == pytest.approx(metrics, rel=TOLERANCE)


def test_the_token_rows_hold_what_the_episodes_hold(run, recorded):
    case = next(case for case in CASES if case["name"] == "gigpo_return")
    rows, recorded_rows = run(case).rows, read_arrays("loss.npz")
    for name in ROW_ARRAYS:
        np.testing.assert_array_equal(getattr(rows, name), recorded_rows[name], err_msg=name)


def flat(metrics):
    """Return metrics by name, with the bars of histograms as separate metrics."""
    bars = {
        f"{name}/{bar}": height
        for name, histogram in metrics.items()
        if isinstance(histogram, dict)
        for bar, height in histogram.items()
    }
    return {name: value for name, value in metrics.items() if not isinstance(value, dict)} | bars
