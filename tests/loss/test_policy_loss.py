import math

import pytest
import torch

from rllib_gigpo.loss.policy_loss import clipped_policy_loss


def losses(ratios, advantages, **settings):
    options = {"clip_low": 0.2, "clip_high": 0.2, "dual_clip": 3.0, **settings}
    log_ratio = torch.tensor([math.log(ratio) for ratio in ratios], dtype=torch.float64)
    log_ratio.requires_grad_()
    loss, is_clipped = clipped_policy_loss(
        log_ratio, torch.tensor(advantages, dtype=torch.float64), **options
    )
    (gradient,) = torch.autograd.grad(loss.sum(), log_ratio)
    return loss.tolist(), is_clipped.tolist(), gradient.tolist()


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
