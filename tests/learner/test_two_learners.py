"""Two Learners on the CPU (gloo) against one; they start once and are reset for each test."""

import dataclasses

import numpy as np
import pytest
from ray.rllib.core import DEFAULT_MODULE_ID
from support.losses import LOSSES
from support.rows import as_whole_batch

SETTINGS = {"kl_coeff": 0.1, "entropy_coeff": 0.01}


@pytest.fixture(scope="module")
def two_and_state(make_group):
    group = make_group(2, **SETTINGS)
    return group, group.get_state()


@pytest.fixture
def two(two_and_state):
    group, state = two_and_state
    group.set_state(state)
    return group


@pytest.fixture
def two_with(two_and_state, make_config):
    """Return a function that rebuilds both in place with other settings; a start takes long."""
    group, state = two_and_state

    def rebuild(**settings):
        config = make_config(num_learners=2, **{**SETTINGS, **settings})
        group.foreach_learner(rebuilder(config))
        group.set_state(state)
        return group

    yield rebuild
    rebuild()


@pytest.fixture
def local(make_learner):
    return make_learner(**SETTINGS)


def gradient_reader():
    """Return a closure, which Ray can send to a Learner's process by value."""

    def read(learner):
        module = learner.module[DEFAULT_MODULE_ID].unwrapped()
        return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}

    return read


def rebuilder(config):
    """Return another such closure."""

    def rebuild(learner):
        learner.config = config
        learner._is_built = False
        learner.build()

    return rebuild


def assert_same(tensors, others, *, tolerance):
    largest = max(tensor.abs().max().item() for tensor in others.values())
    assert largest > 0
    for name, tensor in tensors.items():
        assert (tensor - others[name]).abs().max().item() <= tolerance * largest, name


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_two_learners_have_the_gradient_of_one(
    two_with, make_learner, train, train_group, make_rows, weights_of_each, loss
):
    rows = make_rows()
    two, local = two_with(**loss), make_learner(**{**SETTINGS, **loss})
    train(local, rows)
    train_group(two, rows)
    expected = gradient_reader()(local)
    for result in two.foreach_learner(gradient_reader()):
        assert_same(result.get(), expected, tolerance=1e-6)
    first, second = weights_of_each(two)
    assert_same(first, second, tolerance=0.0)
    assert_same(first, dict(local.export_weights()), tolerance=1e-6)


def test_two_learners_report_the_metrics_of_one(two, local, train, train_group, make_rows):
    rows = make_rows()
    expected = train(local, rows)
    metrics = train_group(two, rows)
    names = ["total_loss", "grad_norm", "entropy", "approx_kl", "max_ratio_deviation"]
    for name in [*names, "rollout_kl", "max_abs_logp_diff"]:
        assert metrics[0][name] == metrics[1][name] == pytest.approx(expected[name], rel=1e-4)
    assert metrics[0]["num_response_tokens"] == expected["num_response_tokens"]
    # Each Learner counts its own rows, and RLlib adds them.
    assert sum(result["num_module_steps_trained"] for result in metrics) == rows.num_rows


@pytest.mark.parametrize("num_rows", [3, 1])
def test_a_learner_without_rows_takes_part(
    two, local, train, train_group, make_rows, weights_of_each, num_rows
):
    # With three rows, one Learner has none in the second mini-batch; with one row, none at all.
    rows = as_whole_batch(make_rows().select(np.arange(num_rows)))
    train(local, rows)
    train_group(two, rows)
    first, second = weights_of_each(two)
    assert_same(first, second, tolerance=0.0)
    assert_same(first, dict(local.export_weights()), tolerance=1e-6)


def test_a_nan_of_one_learner_skips_the_step_of_both(two, train_group, make_rows, weights_of_each):
    rows = make_rows()
    advantages = rows.advantages.copy()
    advantages[0] = np.nan
    poisoned = dataclasses.replace(rows, advantages=advantages)
    poisoned = as_whole_batch(poisoned.select(poisoned.minibatch_ids == 0))
    before = weights_of_each(two)[0]
    metrics = train_group(two, poisoned)
    assert [result["num_skipped_steps"] for result in metrics] == [1, 1]
    assert [result["num_steps"] for result in metrics] == [0, 0]
    for weights in weights_of_each(two):
        assert_same(weights, before, tolerance=0.0)


def test_the_state_of_two_learners_goes_on_in_a_group_of_one(
    two, make_group, train_group, make_rows, weights_of_each
):
    train_group(two, make_rows())
    other = make_group(1, **SETTINGS)
    other.set_state(two.get_state())
    assert_same(weights_of_each(other)[0], weights_of_each(two)[0], tolerance=0.0)
    train_group(other, make_rows(seed=1))
    train_group(two, make_rows(seed=1))
    assert_same(weights_of_each(other)[0], weights_of_each(two)[0], tolerance=1e-6)


def test_the_first_learner_alone_exports_weights(two, local):
    results = two.foreach_learner(
        lambda learner: (learner.sharding.rank, [name for name, _ in learner.export_weights()])
    )
    names = [name for name, _ in local.export_weights()]
    assert dict(result.get() for result in results) == {0: names, 1: []}


def test_two_learners_choose_one_precision(two_with, train_group, make_rows):
    metrics = train_group(two_with(autocast_dtype="auto", engine_dtype="auto"), make_rows())
    answers = {result["autocast_bfloat16"] for result in metrics}
    assert len(answers) == 1
    assert answers <= {0.0, 1.0}
