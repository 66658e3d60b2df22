import math

import pytest
import torch

from rllib_gigpo.loss.policy_loss import CISPOLoss, GSPOLoss, PPOLoss, make_policy_loss
from rllib_gigpo.loss.token_columns import TokenColumns


def evaluate(loss, ratios, advantages, *, rows=None, old=-2.0):
    """Losses, which of them are clipped, and gradients with respect to logp."""
    logp = torch.tensor([old + math.log(ratio) for ratio in ratios], dtype=torch.float64)
    logp.requires_grad_()
    constant = torch.full_like(logp, old).detach()
    columns = TokenColumns(
        rollout_logp=constant,
        old_logp=constant,
        advantages=torch.tensor(advantages, dtype=torch.float64),
        loss_weights=torch.ones_like(constant),
        metric_weights=torch.ones_like(constant),
        row_ids=torch.tensor(rows or list(range(len(ratios)))),
    )
    losses, is_clipped = loss(logp, columns)
    (gradient,) = torch.autograd.grad(losses.sum(), logp)
    return losses.tolist(), is_clipped.tolist(), gradient.tolist()


def losses(ratios, advantages, **settings):
    return evaluate(PPOLoss(**settings), ratios, advantages)


def test_each_side_of_the_clip_has_the_loss_worked_by_hand():
    ratios = [1.0, 1.5, 0.5, 1.5, 0.5, 4.0]
    advantages = [2.0, 2.0, 2.0, -2.0, -2.0, -2.0]
    loss, is_clipped, gradient = losses(ratios, advantages)
    # 1.5 with A = 2: min(3, 1.2 * 2) = 2.4; 0.5 with A = -2: min(-1, -1.6) = -1.6;
    # 4 with A = -2: -8, which the dual clip holds at 3 * -2 = -6.
    assert loss == pytest.approx([-2.0, -2.4, -1.0, 3.0, 1.6, 6.0], abs=1e-12)
    assert is_clipped == [False, True, False, False, True, True]
    assert gradient == pytest.approx([-2.0, 0.0, -1.0, 3.0, 0.0, 0.0], abs=1e-12)


def test_clip_higher_moves_the_upper_bound_only():
    loss, is_clipped, _ = losses([1.25, 1.5, 0.75], [1.0, 1.0, -1.0], clip_high=0.28)
    assert loss == pytest.approx([-1.25, -1.28, 0.8], abs=1e-12)
    assert is_clipped == [False, True, True]


def test_without_a_dual_clip_an_exploded_ratio_keeps_its_loss():
    loss, is_clipped, _ = losses([4.0], [-2.0], dual_clip=None)
    assert loss == pytest.approx([8.0])
    assert is_clipped == [False]


def test_no_advantage_means_no_loss_and_no_gradient():
    loss, _, gradient = losses([0.1, 1.0, 9.0], [0.0, 0.0, 0.0])
    assert [abs(value) for value in loss] == [0.0, 0.0, 0.0]
    assert [abs(value) for value in gradient] == [0.0, 0.0, 0.0]


def test_gspo_has_one_ratio_per_answer_and_a_gradient_per_token():
    loss = GSPOLoss(clip_low=0.2, clip_high=0.5)
    # Row 0: the geometric mean of 2 and 0.5 is 1; row 1: that of 4 and 1 is 2, clipped at 1.5.
    found = evaluate(loss, [2.0, 4.0, 0.5, 1.0], [1.0, 1.0, 1.0, 1.0], rows=[0, 1, 0, 1])
    assert found[0] == pytest.approx([-1.0, -1.5, -1.0, -1.5], abs=1e-12)
    assert found[1] == [False, True, False, True]
    assert found[2] == pytest.approx([-1.0, 0.0, -1.0, 0.0], abs=1e-12)


def test_gspo_bounds_the_log_ratio_at_ten():
    found = evaluate(GSPOLoss(), [math.exp(12)], [-1.0])
    assert found[0] == pytest.approx([math.exp(10)])


def test_cispo_clips_the_weight_and_keeps_every_gradient():
    found = evaluate(CISPOLoss(clip_high=0.2), [1.0, 3.0, 0.5], [1.0, 2.0, -1.0])
    logps = [-2.0, -2.0 + math.log(3), -2.0 + math.log(0.5)]
    weights = [1.0, 1.2, 0.5]
    assert found[0] == pytest.approx(
        [-weights[0] * logps[0], -weights[1] * 2 * logps[1], weights[2] * logps[2]], abs=1e-12
    )
    assert found[1] == [False, True, False]
    assert found[2] == pytest.approx([-1.0, -2.4, 0.5], abs=1e-12)


@pytest.mark.parametrize("name", ["ppo", "gspo", "cispo"])
def test_on_fresh_data_every_loss_has_the_policy_gradient(name):
    loss = make_policy_loss(name, clip_low=0.2, clip_high=0.2, dual_clip=None)
    _, is_clipped, gradient = evaluate(loss, [1.0, 1.0], [2.0, -3.0])
    assert gradient == pytest.approx([-2.0, 3.0], abs=1e-12)
    assert is_clipped == [False, False]


def test_an_unknown_policy_loss_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="ppo, gspo, cispo"):
        make_policy_loss("a2c", clip_low=0.2, clip_high=0.2, dual_clip=None)
