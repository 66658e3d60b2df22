"""An update with prefix trees is that of padded rows, in every pass and with every part."""

import numpy as np
import pytest
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import ConfigError

SHARED, ALONE = {"prefix_sharing": True}, {"prefix_sharing": False}
BOUND = 1e-5


def make_group_rows(*, seed=0, num_groups=4, size=6, has_values=False, num_minibatches=2):
    """Make rows as groups make them: a task's instructions, states that recur, short answers."""
    rng = np.random.default_rng(seed)
    prompts, responses, group_ids = [], [], []
    for group in range(num_groups):
        head = [*range(5, 12), 20 + group]
        for _ in range(size):
            state = int(rng.integers(3))
            prompts.append([*head, *[30 + state] * (1 + state)])
            responses.append([40 + int(x) for x in rng.integers(0, 2, rng.integers(1, 4))])
            group_ids.append(group)
    num_rows = len(prompts)
    lengths = [len(response) for response in responses]
    return TokenRows.from_rows(
        prompts,
        responses,
        rollout_logp=[-4.2 + 0.1 * rng.normal(size=n) for n in lengths],
        advantages=np.repeat(rng.normal(size=num_rows), lengths),
        minibatch_ids=np.array(group_ids) % num_minibatches,
        num_minibatches=num_minibatches,
        weights=rng.choice([0.0, 1.0, 0.5], num_rows),
        old_values=rng.normal(size=num_rows) if has_values else None,
        value_targets=rng.normal(size=num_rows) if has_values else None,
        group_ids=np.array(group_ids),
    )


def weights_of(learner):
    return dict(learner._causal_lm.state_dict())


def check_same_weights(one, other, start, *, bound=BOUND):
    """Check that two updates moved each weight alike, to a share of the largest move."""
    moved = max((other[name] - start[name]).abs().max().item() for name in other)
    assert moved > 1e-4
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=0, atol=bound * moved, msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kl_coeff": 0.5, "entropy_coeff": 0.1},
        {"old_logp": "recompute", "importance_sampling": {"level": "token"}},
        {"gradient_checkpointing": True},
        {"lora": {"rank": 2}, "kl_coeff": 0.5},
        {"critic": "head", "rule": "ppo"},
        {"critic": "model", "rule": "ppo"},
        {"policy_loss": "gspo", "loss_aggregation": "seq_mean_token_mean"},
        {"attn_implementation": "eager"},
        {"num_epochs": 2},
    ],
    ids=lambda settings: "-".join(map(str, settings)) or "plain",
)
def test_an_update_is_that_of_separate_rows(make_learner, train, settings):
    rows = make_group_rows(has_values="critic" in settings)
    shared, alone = (make_learner(**settings, **sharing) for sharing in (SHARED, ALONE))
    start = {name: value.clone() for name, value in weights_of(alone).items()}
    metrics = [train(learner, rows) for learner in (shared, alone)]
    check_same_weights(weights_of(shared), weights_of(alone), start)
    left_out = {"padding_fraction", "shared_fraction", "update_s"}
    for name, value in metrics[1].items():
        if name not in left_out and isinstance(value, float):
            assert metrics[0][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert metrics[0]["shared_fraction"] > 0.5
    assert metrics[1]["shared_fraction"] == 0.0


def test_scores_for_credit_are_those_of_separate_rows(make_learner):
    rows = make_group_rows(has_values=True)
    for critic in ("head", "model"):
        learners = [
            make_learner(critic=critic, rule="ppo", kl_coeff=0.1, kl="reward", **sharing)
            for sharing in (SHARED, ALONE)
        ]
        for learner in learners:
            torch.manual_seed(1)
            torch.nn.init.normal_(learner._causal_lm.critic.value.weight)
            for weight in learner._causal_lm.model.parameters():
                weight.data += 0.01 * torch.randn_like(weight)
        values = [learner.values(rows) for learner in learners]
        assert np.abs(values[1]).max() > 0.1
        np.testing.assert_allclose(*values, rtol=0, atol=1e-5)
        penalties = [learner.kl_penalties(rows) for learner in learners]
        assert np.abs(penalties[1]).max() > 1e-4
        np.testing.assert_allclose(*penalties, rtol=0, atol=1e-6)


def test_implicit_rewards_are_those_of_separate_rows(make_learner):
    settings, rows, found = (
        {"rule": "istar", "process_reward": {"beta": 1.0}},
        make_group_rows(),
        [],
    )
    for sharing in (SHARED, ALONE):
        learner = make_learner(**settings, **sharing)
        assert not learner.implicit_rewards(rows).any()
        torch.manual_seed(1)
        for weight in learner._causal_lm.process_reward.parameters():
            weight.data += 0.01 * torch.randn_like(weight)
        found.append(learner.implicit_rewards(rows))
    assert np.abs(found[1]).max() > 1e-2
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)


def test_a_shared_prefix_of_a_row_without_weight_gets_no_gradient_from_it(make_learner, train):
    rows = make_group_rows()
    is_counted = rows.weights > 0
    learners = [make_learner(**SHARED) for _ in range(2)]
    start = {name: value.clone() for name, value in weights_of(learners[0]).items()}
    train(learners[0], rows)
    train(learners[1], rows.select(is_counted))
    check_same_weights(*map(weights_of, learners), start)


@pytest.mark.slow
def test_two_learners_with_trees_train_like_one_without(
    make_learner, make_group, train, train_group, weights_of_each
):
    rows = make_group_rows(num_groups=5, num_minibatches=1)
    alone = make_learner(num_minibatches=1, **ALONE)
    start = {name: value.clone() for name, value in weights_of(alone).items()}
    train(alone, rows)
    group = make_group(2, num_minibatches=1, **SHARED)
    metrics = train_group(group, rows)
    assert min(each["shared_fraction"] for each in metrics) > 0.5
    found = dict(weights_of(alone))
    for of_learner in weights_of_each(group):
        of_model = {f"adapter.model.{name}": value for name, value in of_learner.items()}
        check_same_weights(
            {name: of_model[name] for name in found},
            found,
            start,
        )


def test_by_default_the_cheaper_layout_is_chosen_for_each_minibatch(make_learner):
    rng = np.random.default_rng(0)
    prompts = [[1, 2, 3] * 10] * 8 + [rng.integers(1, 64, 30).tolist() for _ in range(8)]
    rows = TokenRows.from_rows(
        prompts,
        [[4, 5]] * 16,
        rollout_logp=[np.full(2, -4.0)] * 16,
        advantages=np.ones(32),
        minibatch_ids=np.repeat([0, 1], 8),
        num_minibatches=2,
    )
    shared, apart = make_learner()._laid_out(rows).micro_batches
    assert sum(batch.num_tokens for batch in shared) == 31
    assert sum(batch.num_tokens for batch in apart) >= 8 * 31
    assert all(batch.subtree_ends is None for batch in apart)  # causal kernels are faster


def test_a_model_that_cannot_share_trains_without_or_refuses(make_learner, caplog, monkeypatch):
    monkeypatch.setattr("rllib_gigpo.models.trunk.positions", lambda ends: 0 * ends)
    rows = make_group_rows()
    with caplog.at_level("WARNING"):
        learner = make_learner()
    assert "rows cannot share prefixes exactly: with sdpa, the log-probs" in caplog.text
    assert all(batch.score_indices is None for batch in learner._laid_out(rows))
    with pytest.raises(ConfigError, match=r"cannot share prefixes exactly.*prefix_sharing='auto'"):
        make_learner(**SHARED)
