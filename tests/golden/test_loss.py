"""The Learner gives the recorded losses, gradients and updates."""

import functools

import numpy as np
import pytest
import torch
from golden.comparison import deviation
from golden.record_loss import SHARED, STACKED, Inputs, run_minibatches, run_updates
from golden.recordings import case_config, read_arrays, read_json

RECORD = read_json("loss.json")
CASES = RECORD["cases"]
TOLERANCE = 1e-6
# The kernels of another processor (AVX2) move these by 2e-6, by rounding alone.
TOLERANCE_OF_ROUNDED = 5e-6
ROUNDED = {
    "grad_projections",
    "critic_grad_projections",
    "logp_gradient",
    "importance",
    "rollout_kl",
}
TOLERANCE_OF_MAXIMA = 1e-5  # they exponentiate
# Rounding makes da50f96 count a few values as clipped that are inside the clip range.
CLIPPED_VALUES = "vf_clip_fraction"
# Arrays of whole updates; the others come from mini-batches with the initial weights.
UPDATE_ARRAYS = {"values", "kl_penalties", "updated_projections"}

each_case = pytest.mark.parametrize("index", range(len(CASES)), ids=[c["name"] for c in CASES])


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def arrays():
    return read_arrays("loss.npz")


@functools.cache
def config_of(index):
    return case_config(RECORD["common_settings"], CASES[index]["settings"])


def recorded_of(arrays, index):
    """Return the recorded arrays of a case, by their names in its result."""
    suffix = f"/{CASES[index]['name']}"
    own = {name.removesuffix(suffix): arrays[name] for name in arrays if name.endswith(suffix)}
    return {name: arrays[name][index] for name in STACKED} | own


def too_far(found, recorded):
    """Return names and deviations of the arrays that are too far from the recorded ones."""
    deviations = {name: array_deviation(name, found[name], recorded) for name in recorded}
    return {name: value for name, value in deviations.items() if value > tolerance(name)}


def array_deviation(name, found, recorded):
    """Measure in units of the largest entry, that of each kind of sum, or the gradient's norm."""
    expected = recorded[name]
    if name in ("sums", "vf_sums"):
        kinds = [kind for kind, title in enumerate(RECORD[name]) if title != CLIPPED_VALUES]
        return max(deviation(found[:, kind], expected[:, kind]) for kind in kinds)
    prefix, is_gradient, _ = name.rpartition("grad_")
    if not is_gradient:
        return deviation(found, expected)
    norms = np.linalg.norm(recorded[f"{prefix}grad_norms"], axis=1)
    return deviation(found, expected, scale=norms.reshape(-1, *[1] * (expected.ndim - 1)))


def tolerance(name):
    if name.startswith("max_"):
        return TOLERANCE_OF_MAXIMA
    return TOLERANCE_OF_ROUNDED if name in ROUNDED | UPDATE_ARRAYS else TOLERANCE


@each_case
def test_a_case_gives_the_recorded_mini_batches(index, arrays):
    recorded = recorded_of(arrays, index)
    expected = {name: recorded[name] for name in recorded if name not in UPDATE_ARRAYS}
    found = run_minibatches(config_of(index), Inputs(arrays))
    expected |= {name: arrays[name] for name in SHARED if name in found}
    assert found.keys() == expected.keys()
    assert too_far(found, expected) == {}


@each_case
def test_a_case_gives_the_recorded_updates(index, arrays):
    recorded = recorded_of(arrays, index)
    expected = {name: recorded[name] for name in recorded if name in UPDATE_ARRAYS}
    found, updates = run_updates(config_of(index), Inputs(arrays))
    assert found.keys() == expected.keys()
    assert too_far(found, expected) == {}
    for metrics, expected_metrics in zip(updates, CASES[index]["updates"], strict=True):
        for name, value in expected_metrics.items():
            if name != CLIPPED_VALUES:
                limits = {"rel": tolerance(name), "abs": tolerance(name) / 10}
                assert metrics[name] == pytest.approx(value, **limits), name
