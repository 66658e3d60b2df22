import dataclasses

import numpy as np
import pytest
from ray.rllib.core import DEFAULT_MODULE_ID


def weights_of(group):
    """The weights of each Learner."""
    results = group.foreach_learner(lambda learner: dict(learner.export_weights()))
    return [result.get() for result in results]


def gradient_reader():
    """A closure, which Ray can send to a Learner's process by value."""

    def read(learner):
        module = learner.module[DEFAULT_MODULE_ID].unwrapped()
        return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}

    return read


def assert_same(weights, others, *, tolerance):
    largest = max(tensor.abs().max().item() for tensor in others.values())
    for name, tensor in weights.items():
        assert (tensor - others[name]).abs().max().item() <= tolerance * largest, name


@pytest.fixture
def two(make_group):
    return make_group(2, kl_coeff=0.1, entropy_coeff=0.01)


def test_two_learners_take_the_step_of_one(
    two, make_group, make_learner, train, train_group, make_rows
):
    rows = make_rows()
    local = make_learner(kl_coeff=0.1, entropy_coeff=0.01)
    expected = train(local, rows)
    metrics = train_group(two, rows)
    first, second = weights_of(two)
    assert_same(first, second, tolerance=0.0)
    assert_same(first, dict(local.export_weights()), tolerance=1e-6)
    for result in two.foreach_learner(gradient_reader()):
        assert_same(result.get(), gradient_reader()(local), tolerance=1e-6)
    for name in ("total_loss", "grad_norm", "entropy", "approx_kl", "max_ratio_deviation"):
        assert metrics[0][name] == metrics[1][name] == pytest.approx(expected[name], rel=1e-4)
    assert metrics[0]["num_response_tokens"] == expected["num_response_tokens"]
    # Each Learner counts its own rows, and RLlib adds them up.
    assert sum(m["num_module_steps_trained"] for m in metrics) == rows.num_rows

    # A Learner without rows, in one mini-batch or in all, takes part in the backward pass.
    for few in (rows.select(np.arange(3)), rows.select(np.arange(1))):
        train_group(two, with_own_counts(few))
        train(local, with_own_counts(few))
    assert_same(weights_of(two)[0], dict(local.export_weights()), tolerance=1e-6)
    assert_same(*weights_of(two), tolerance=0.0)

    # A NaN in one row, which one Learner has, skips the step of both.
    before = weights_of(two)[0]
    advantages = rows.advantages.copy()
    advantages[0] = np.nan
    only_first = dataclasses.replace(rows, advantages=advantages)
    only_first = with_own_counts(only_first.select(only_first.minibatch_ids == 0))
    metrics = train_group(two, only_first)
    assert [m["num_skipped_steps"] for m in metrics] == [1, 1]
    assert [m["num_steps"] for m in metrics] == [0, 0]
    for weights in weights_of(two):
        assert_same(weights, before, tolerance=0.0)

    # The state of both goes on exactly in another group.
    state = two.get_state()
    other = make_group(1, kl_coeff=0.1, entropy_coeff=0.01)
    other.set_state(state)
    assert_same(weights_of(other)[0], before, tolerance=0.0)
    train_group(other, rows)
    train_group(two, rows)
    assert_same(weights_of(other)[0], weights_of(two)[0], tolerance=1e-6)


def with_own_counts(rows):
    """The rows as a whole batch of their own."""
    size = rows.num_minibatches
    tokens = rows.weights.astype(np.float64) * rows.response_lengths
    return dataclasses.replace(
        rows,
        minibatch_token_counts=np.bincount(rows.minibatch_ids, tokens, size),
        minibatch_row_counts=np.bincount(rows.minibatch_ids, rows.weights, size),
    )
