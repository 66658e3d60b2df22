"""The KL in the reward: its number per row, its weight, and that the loss has none."""

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from transformers import AutoModelForCausalLM

SETTINGS = {"kl_coeff": 0.5, "kl_placement": "reward", "num_minibatches": 1}


def divergences(model_path, rows):
    """k1 of each row under the start weights, row by row."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    result = []
    for row in range(rows.num_rows):
        tokens = torch.from_numpy(
            rows.token_ids[rows.row_offsets[row] : rows.row_offsets[row + 1]]
        ).long()
        with torch.no_grad():
            logp = model(input_ids=tokens[None]).logits[0].log_softmax(-1)
        start = int(rows.prompt_lengths[row])
        reference = logp[range(start - 1, len(tokens) - 1), tokens[start:]].sum().item()
        sampled = rows.rollout_logp[rows.response_offsets[row] : rows.response_offsets[row + 1]]
        result.append(float(sampled.sum()) - reference)
    return np.array(result)


def test_the_penalty_is_the_weighed_divergence_of_the_whole_answer(
    make_learner, make_rows, model_path
):
    rows = make_rows(num_minibatches=1)
    learner = make_learner(kl_estimator="k1", **SETTINGS)
    expected = 0.5 * divergences(model_path, rows)
    np.testing.assert_allclose(learner.penalties_of_share([rows]), expected, atol=1e-5)


def test_the_loss_has_no_second_divergence(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1)
    with_penalty, without = make_learner(**SETTINGS), make_learner(num_minibatches=1)
    for _ in range(2):
        assert train(with_penalty, rows)["kl_to_reference"] == 0.0
        train(without, rows)
    for one, other in zip(
        with_penalty.module[DEFAULT_MODULE_ID].parameters(),
        without.module[DEFAULT_MODULE_ID].parameters(),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_the_weight_follows_the_target_after_it_was_used(make_learner, make_rows):
    rows = make_rows(num_minibatches=1)
    learner = make_learner(kl_estimator="k2", kl_target=1e-9, kl_horizon=120, **SETTINGS)
    first = learner.penalties_of_share([rows])
    # Far above the target: + 20 % · 12 / 120.
    assert learner._kl.coeff == pytest.approx(0.5 * 1.02)
    np.testing.assert_allclose(learner.penalties_of_share([rows]), 1.02 * first)


def test_two_learners_weigh_as_one(make_learner, make_group, make_rows):
    rows = make_rows(num_minibatches=1)
    settings = {"kl_estimator": "k2", "kl_target": 1.0, "kl_horizon": 100, **SETTINGS}
    local, two = make_learner(**settings), make_group(2, **settings)
    expected = local.penalties_of_share([rows])
    shares = [rows.select(np.arange(rank, rows.num_rows, 2)) for rank in range(2)]
    parts = two.foreach_learner(lambda learner: learner.penalties_of_share(shares))
    for rank, part in enumerate(parts):
        np.testing.assert_allclose(part.get(), expected[rank::2], atol=1e-6)
    coeffs = [r.get() for r in two.foreach_learner(lambda learner: learner._kl.coeff)]
    assert coeffs == pytest.approx([local._kl.coeff] * 2)
