"""The loss over pairs of successes and failures: by hand, and against torch's derivatives."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.credit.pair_loss import pair_loss

# Two tasks. Task 0: τ0 won with rewards 0.2, 0.4; τ1 and τ2 lost with -0.1 and 0.5, 0.7. Task 1:
# τ3 alone, which won.
REWARDS = np.array([0.2, 0.4, -0.1, 0.5, 0.7, 9.0])
GROUPS = np.array([0, 0, 0, 0, 0, 1])
TRAJECTORIES = np.array([0, 0, 1, 2, 2, 3])
WON = np.array([True, True, False, False, False, True])


def test_each_success_is_compared_with_each_failure_of_its_task():
    found = pair_loss(REWARDS, GROUPS, TRAJECTORIES, WON)
    # Scores 0.3 | -0.1, 0.6: margins 0.4 and -0.3.
    assert found.num_pairs == 2
    assert found.loss == pytest.approx((0.5130153 + 0.8543552) / 2, abs=1e-7)
    assert found.accuracy == 0.5
    # -sigmoid(-0.4) = -0.4013123 and -sigmoid(0.3) = -0.5744425, halved, then over the steps.
    expected = [-0.2439387, -0.2439387, 0.2006562, 0.1436106, 0.1436106, 0.0]
    np.testing.assert_allclose(found.gradients, expected, atol=1e-7)


def test_long_trajectories_count_like_short_ones():
    once = pair_loss(REWARDS, GROUPS, TRAJECTORIES, WON)
    twice = [np.repeat(array, 2) for array in (REWARDS, GROUPS, TRAJECTORIES, WON)]
    again = pair_loss(*twice)
    assert again.loss == pytest.approx(once.loss, abs=1e-12)
    np.testing.assert_allclose(again.gradients, np.repeat(once.gradients / 2, 2), atol=1e-12)


def test_equal_scores_are_ranked_half_right():
    found = pair_loss(np.zeros(6), GROUPS, TRAJECTORIES, WON)
    assert (found.loss, found.accuracy) == (pytest.approx(np.log(2)), 0.5)


@pytest.mark.parametrize("won", [np.zeros(6, dtype=bool), np.ones(6, dtype=bool)])
def test_without_both_outcomes_there_are_no_pairs(won):
    found = pair_loss(REWARDS, GROUPS, TRAJECTORIES, won)
    assert (found.loss, found.num_pairs) == (0.0, 0)
    assert not found.gradients.any()


def test_large_margins_do_not_overflow():
    found = pair_loss(1e4 * REWARDS, GROUPS, TRAJECTORIES, WON)
    assert found.loss == pytest.approx(1500.0)  # the pair that is ranked wrong, by 3,000
    assert np.isfinite(found.gradients).all()


def test_a_batch_without_rows_has_no_pairs():
    none = np.zeros(0, dtype=np.int64)
    found = pair_loss(np.zeros(0), none, none, np.zeros(0, dtype=bool))
    assert (found.num_pairs, len(found.gradients)) == (0, 0)


@st.composite
def batches(draw):
    """Draw trajectories as (group, won, rewards), and an order of their rows."""
    reward = st.floats(-3, 3, allow_nan=False)
    trajectory = st.tuples(
        st.integers(0, 2), st.booleans(), st.lists(reward, min_size=1, max_size=4)
    )
    trajectories = draw(st.lists(trajectory, min_size=1, max_size=8))
    rows = [
        (group, number, won, value)
        for number, (group, won, rewards) in enumerate(trajectories)
        for value in rewards
    ]
    return draw(st.permutations(rows))


def slow_loss(rewards, groups, trajectories, won):
    """Compute the loss with torch, pair by pair."""
    of_rows = list(zip(trajectories, groups, won, strict=True))
    facts = {int(number): (group, has_won) for number, group, has_won in of_rows}
    scores = {
        number: torch.stack([rewards[i] for i, own in enumerate(trajectories) if own == number])
        for number in facts
    }
    losses = [
        -torch.nn.functional.logsigmoid(scores[good].mean() - scores[bad].mean())
        for good, (task, has_won) in facts.items()
        for bad, (other, also_won) in facts.items()
        if task == other and has_won and not also_won
    ]
    return torch.stack(losses).mean() if losses else None


@given(batches())
def test_loss_and_gradient_are_those_of_torch(rows):
    groups, trajectories, won, values = map(np.array, zip(*rows, strict=True))
    rewards = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    loss = slow_loss(rewards, groups, trajectories, won)
    found = pair_loss(values.astype(np.float64), groups, trajectories, won)
    if loss is None:
        assert found.num_pairs == 0
        return
    (gradient,) = torch.autograd.grad(loss, rewards)
    assert found.loss == pytest.approx(loss.item(), abs=1e-9)
    np.testing.assert_allclose(found.gradients, gradient.numpy(), atol=1e-9)
