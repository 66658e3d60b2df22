import dataclasses
import math

import numpy as np
import pytest

from rllib_gigpo.errors import UpdateError
from rllib_gigpo.learner.update_guard import BFLOAT16_LIMIT, FLOAT32_LIMIT, UpdateGuard

GOOD = {
    "num_steps": 2.0,
    "num_skipped_steps": 0.0,
    "max_ratio_deviation_fresh": 1e-6,
    "max_abs_logp_diff": 1e-6,
}
SKIPPED = {
    "num_steps": 0.0,
    "num_skipped_steps": 2.0,
    "max_ratio_deviation_fresh": math.inf,
    "max_abs_logp_diff": math.inf,
}
OFF = {**GOOD, "max_ratio_deviation_fresh": 0.4, "max_abs_logp_diff": 0.33}
FAR = {**OFF, "max_ratio_deviation_fresh": 2 * BFLOAT16_LIMIT}


@pytest.fixture
def make_guard(make_config):
    """Return a function that builds the guard of a config."""
    return lambda **settings: UpdateGuard.from_config(make_config(**settings))


@pytest.mark.fault("B23", "case 16", promise="Updates that are all skipped end the run in words.")
def test_updates_that_were_all_skipped_end_the_run(make_guard):
    guard = make_guard(max_skipped_updates=2)
    guard.check(SKIPPED, iteration=1)
    guard.check(GOOD, iteration=2)
    guard.check(SKIPPED, iteration=3)
    with pytest.raises(UpdateError, match=r"Iteration 4: the log-probs of .* last 2 iterations"):
        guard.check(SKIPPED, iteration=4)


def test_updates_that_were_skipped_for_their_gradients_name_these(make_guard):
    guard = make_guard(max_skipped_updates=1)
    with pytest.raises(UpdateError, match=r"the loss or the gradients are NaN .* lr or clip_param"):
        guard.check({**SKIPPED, "max_abs_logp_diff": 1e-6}, iteration=1)


def test_a_step_among_skipped_ones_and_an_update_without_tokens_count_as_no_skip(make_guard):
    guard = make_guard(max_skipped_updates=1)
    guard.check({**SKIPPED, "num_steps": 1.0}, iteration=1)
    guard.check({"num_steps": 0.0, "num_skipped_steps": 0.0}, iteration=2)


@pytest.mark.fault("case 17", promise="A ratio off 1 on fresh rows ends a float32 run on CPUs.")
def test_in_float32_on_cpus_a_ratio_that_is_off_ends_the_run(make_guard):
    with pytest.raises(UpdateError, match=r"Iteration 3: .*off by 0\.4.*limit 0\.0001") as error:
        make_guard().check(OFF, iteration=3)
    for cause in ("different weights or numerics", "dropout", "text or tokens changed"):
        assert cause in str(error.value)
    assert "strict_ratio=False" in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"strict_ratio": False},
        {"engine": "support.quick_engine:QuickEngine"},
        {"num_gpus_per_learner": 1, "num_env_runners": 1},
        {"num_gpus_per_env_runner": 1, "num_env_runners": 1},
    ],
)
def test_elsewhere_the_first_ratio_that_is_off_warns(make_guard, settings):
    guard = make_guard(**settings)
    assert guard.check(GOOD, iteration=1) is None
    assert "off by 0.4" in guard.check(OFF, iteration=2)
    assert guard.check(OFF, iteration=3) is None


@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"engine_dtype": "bfloat16"}])
def test_bfloat16_has_a_wider_limit_and_only_warns(make_guard, settings):
    guard = make_guard(**settings)
    assert guard.check(OFF, iteration=1) is None
    assert guard.check(FAR, iteration=2)


def test_strict_ratio_ends_the_run_on_any_device(make_guard):
    with pytest.raises(UpdateError, match="limit 1"):
        make_guard(dtype="bfloat16", strict_ratio=True).check(FAR, iteration=1)


def test_a_ratio_beyond_float32_counts_if_the_log_probs_are_finite(make_guard):
    far = {**GOOD, "max_ratio_deviation_fresh": math.inf, "max_abs_logp_diff": 120.0}
    with pytest.raises(UpdateError, match="off by inf"):
        make_guard().check(far, iteration=1)


@pytest.mark.parametrize(
    "metrics", [GOOD, {**GOOD, "max_ratio_deviation_fresh": FLOAT32_LIMIT}, {"num_steps": 1.0}]
)
def test_a_ratio_within_the_limit_or_without_fresh_rows_is_fine(make_guard, metrics):
    assert make_guard().check(metrics, iteration=1) is None


@pytest.mark.fault("B23", promise="Metrics that were not computed are absent, not 0.")
@pytest.mark.parametrize("settings", [{}, {"old_logp": "recompute"}, {"kl_coeff": 0.1}])
def test_metrics_of_skipped_steps_are_absent(make_learner, train, make_rows, settings):
    rows = make_rows(num_minibatches=1)
    rows.advantages[:] = np.nan
    metrics = train(make_learner(num_minibatches=1, **settings), rows)
    assert metrics["num_skipped_steps"] == 1
    assert metrics["num_steps"] == metrics["num_response_tokens"] == 0
    absent = {"total_loss", "grad_norm", "entropy", "policy_loss", "approx_kl", "kl_to_reference"}
    assert not absent & set(metrics)


def test_skipped_steps_do_not_steer_the_weight_of_the_divergence(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1)
    rows.advantages[:] = np.nan
    learner = make_learner(num_minibatches=1, kl_coeff=0.1, kl={"target": 0.01})
    train(learner, rows)
    assert learner._kl.coeff == 0.1


def test_only_fresh_rows_are_compared_with_the_engine(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1)
    # Rows 4 and above come from older weights, with log-probs that are far from the newest.
    rows.rollout_logp[rows.response_offsets[4] :] = -20.0
    marked = make_stale(rows, first_stale=4)
    of_fresh = train(make_learner(num_minibatches=1), rows.select(np.arange(4)))
    of_all = train(make_learner(num_minibatches=1), marked)
    name = "max_ratio_deviation_fresh"
    assert of_all[name] == pytest.approx(of_fresh[name], rel=1e-4)
    assert name not in train(make_learner(num_minibatches=1), make_stale(rows, first_stale=0))


def make_stale(rows, *, first_stale):
    """Return the rows, with those from a number on marked as sampled by older weights."""
    return dataclasses.replace(rows, is_fresh=np.arange(rows.num_rows) < first_stale)
