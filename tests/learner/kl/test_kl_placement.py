"""The divergence from the start weights: absent, in the loss, or in the reward."""

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from transformers import AutoModelForCausalLM

from rllib_gigpo.learner.sharding.sharding import Sharding

SETTINGS = {"kl_coeff": 0.5, "num_minibatches": 1}


def in_reward(**options):
    return {**SETTINGS, "kl": {"placement": "reward", **options}}


@pytest.fixture
def references(monkeypatch):
    """Record the reference models that are made."""
    made, original = [], Sharding.reference

    def noted(self, model):
        made.append(original(self, model))
        return made[-1]

    monkeypatch.setattr(Sharding, "reference", noted)
    return made


@pytest.mark.parametrize("placement", ["loss", "reward"])
@pytest.mark.parametrize(("kl_coeff", "num_models"), [(0.0, 0), (0.5, 1)])
def test_a_reference_is_kept_only_where_the_divergence_has_a_weight(
    make_learner, references, placement, kl_coeff, num_models
):
    make_learner(kl_coeff=kl_coeff, kl={"placement": placement})
    assert len(references) == num_models
    assert not any(p.requires_grad for model in references for p in model.parameters())


@pytest.mark.parametrize("kl_coeff", [0.0, 0.5])
def test_only_a_divergence_in_the_reward_has_penalties(make_learner, make_rows, kl_coeff):
    with pytest.raises(RuntimeError, match="not in the reward"):
        make_learner(kl_coeff=kl_coeff).kl_penalties(make_rows())


def test_only_a_steered_weight_is_restored_as_it_was(make_learner):
    fixed = {"kl_coeff": 0.3}
    steered = {"kl_coeff": 0.1, "kl": {"target": 0.5}}
    for settings, other in ((fixed, steered), (steered, fixed)):
        restored = make_learner(**settings)
        restored.set_state(make_learner(**other).get_state())
        assert restored._kl.coeff == settings["kl_coeff"]


def divergences(model_path, rows):
    """Compute each row's k1 under the start weights."""
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
    learner = make_learner(**in_reward(estimator="k1"))
    expected = 0.5 * divergences(model_path, rows)
    np.testing.assert_allclose(learner.kl_penalties(rows), expected, atol=1e-5)


def test_the_loss_has_no_second_divergence(make_learner, train, make_rows):
    rows = make_rows(num_minibatches=1)
    with_penalty, without = make_learner(**in_reward()), make_learner(num_minibatches=1)
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
    learner = make_learner(**in_reward(estimator="k2", target=1e-9, horizon=120))
    first = learner.kl_penalties(rows)
    # Far above the target: + 20 % · 12 / 120.
    assert learner._kl.coeff == pytest.approx(0.5 * 1.02)
    np.testing.assert_allclose(learner.kl_penalties(rows), 1.02 * first)


@pytest.mark.slow
def test_two_learners_weigh_as_one(make_learner, make_group, make_rows):
    rows = make_rows(num_minibatches=1)
    settings = in_reward(estimator="k2", target=1.0, horizon=100)
    local, two = make_learner(**settings), make_group(2, **settings)
    expected = local.kl_penalties(rows)
    shares = [rows.select(np.arange(rank, rows.num_rows, 2)) for rank in range(2)]
    parts = two.foreach_learner(lambda learner: learner.kl_penalties(shares[learner.sharding.rank]))
    for rank, part in enumerate(parts):
        np.testing.assert_allclose(part.get(), expected[rank::2], atol=1e-6)
    coeffs = [r.get() for r in two.foreach_learner(lambda learner: learner._kl.coeff)]
    assert coeffs == pytest.approx([local._kl.coeff] * 2)
