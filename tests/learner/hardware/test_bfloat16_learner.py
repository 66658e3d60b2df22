"""bfloat16 autocast on a CPU: gradients near float32's, an exact start of the ratio, weights."""

import math

import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo.learner import gigpo_learner
from rllib_gigpo.learner.old_log_probs import OldLogp, resolve_old_logp
from rllib_gigpo.learner.sharding.single import Single
from rllib_gigpo.loss.mismatch import ImportanceSettings

SEQUENCE = ImportanceSettings(level="sequence")


@pytest.mark.parametrize(
    ("old_logp", "importance", "is_equal", "expected"),
    [
        ("rollout", None, True, OldLogp(False)),
        ("rollout", None, False, OldLogp(False)),
        ("recompute", None, True, OldLogp(True)),
        ("recompute", None, False, OldLogp(True)),
        ("recompute", SEQUENCE, False, OldLogp(True, SEQUENCE)),
        ("auto", None, True, OldLogp(False)),
        ("auto", None, False, OldLogp(True, ImportanceSettings(level="token", cap=2.0))),
        ("auto", SEQUENCE, False, OldLogp(True, SEQUENCE)),
        ("auto", SEQUENCE, True, OldLogp(True, SEQUENCE)),
    ],
)
def test_where_the_old_log_probs_come_from(old_logp, importance, is_equal, expected):
    assert resolve_old_logp(old_logp, importance, is_equal=is_equal) == expected


def gradients_of(learner):
    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("prefix_sharing", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_near_those_of_float32_but_not_equal(
    make_learner, train, make_rows, prefix_sharing, checkpointing
):
    settings = {
        "num_minibatches": 1,
        "prefix_sharing": prefix_sharing,
        "gradient_checkpointing": checkpointing,
    }
    rows = make_rows(num_minibatches=1)
    plain = make_learner(**settings, old_logp="recompute")
    mixed = make_learner(**settings, old_logp="recompute", autocast_dtype="bfloat16")
    train(plain, rows)
    assert train(mixed, rows)["autocast_bfloat16"] == 1.0
    expected, found = (
        torch.cat([one.flatten() for one in gradients_of(learner).values()])
        for learner in (plain, mixed)
    )
    assert not torch.equal(expected, found)
    assert found.dtype == torch.float32
    assert (expected - found).norm() < 0.03 * expected.norm()


def test_the_ratio_starts_at_exactly_one_and_weights_are_finite(make_learner, train, make_rows):
    learner = make_learner(
        num_minibatches=1, autocast_dtype="bfloat16", engine_dtype="bfloat16", lr=0.01
    )
    metrics = train(learner, make_rows(num_minibatches=1))
    assert metrics["ratio_deviation"] == 0.0
    assert math.isfinite(metrics["importance_mean"])
    assert 0.0 < metrics["importance_mean"] <= 2.0
    assert metrics["num_skipped_steps"] == 0


def test_recomputed_old_log_probs_are_weighted_only_if_the_types_differ(
    make_learner, train, make_rows
):
    plain = train(make_learner(), make_rows())
    assert plain["autocast_bfloat16"] == 0.0
    assert "importance_mean" not in plain
    assert "importance_mean" in train(make_learner(engine_dtype="bfloat16"), make_rows())


@pytest.mark.parametrize("is_fast", [True, False])
def test_the_machine_decides_and_the_metrics_show_it(
    monkeypatch, make_learner, train, make_rows, is_fast
):
    monkeypatch.setattr(gigpo_learner, "prefers_bfloat16", lambda device: is_fast)
    learner = make_learner(autocast_dtype="auto", engine_dtype="auto")
    metrics = train(learner, make_rows())
    assert metrics["autocast_bfloat16"] == float(is_fast)
    assert ("importance_mean" in metrics) == is_fast
    # The engine rounds on its own machine, so the weights travel unrounded.
    assert {tensor.dtype for _, tensor in learner.export_weights()} == {torch.float32}


@pytest.mark.parametrize("autocast_dtype", [None, "bfloat16"])
def test_a_tiny_model_has_large_micro_batches_and_the_metrics_show_their_size(
    make_learner, train, make_rows, autocast_dtype
):
    learner = make_learner(micro_batch_tokens="auto", autocast_dtype=autocast_dtype)
    assert train(learner, make_rows())["micro_batch_tokens"] == 16_384
    small = make_learner(micro_batch_tokens=40)
    assert train(small, make_rows())["micro_batch_tokens"] == 40


def test_in_bfloat16_the_gradient_hardly_depends_on_the_micro_batches(
    make_learner, train, make_rows
):
    rows = make_rows(num_minibatches=1)
    found = []
    for micro_batch_tokens in (1, 40, 100_000):
        learner = make_learner(
            num_minibatches=1, autocast_dtype="bfloat16", micro_batch_tokens=micro_batch_tokens
        )
        train(learner, rows)
        found.append(torch.cat([one.flatten() for one in gradients_of(learner).values()]))
    for other in found[1:]:
        assert (found[0] - other).norm() < 0.03 * found[0].norm()


class OneOfTwo(Single):
    """A Learner beside another one, which votes as it is told."""

    world_size = 2

    def __init__(self, other_agrees):
        self._other_agrees = other_agrees

    def reduce(self, tensor, *, maximum=False):
        tensor += float(self._other_agrees)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [((True, True), True), ((True, False), False), ((False, True), False), ((False, False), False)],
)
def test_bfloat16_needs_the_yes_of_every_learner(votes, expected):
    own, other = votes
    assert OneOfTwo(other).all_agree(own, torch.device("cpu")) == expected
    assert Single().all_agree(own, torch.device("cpu")) == own
