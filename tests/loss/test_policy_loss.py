import math
from dataclasses import dataclass

import pytest
import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.loss.objective import METRIC_NAMES, ObjectiveSettings, objective
from rllib_gigpo.loss.policy import POLICY_LOSSES, CISPOLoss, GSPOLoss, PolicyLoss, PPOLoss
from rllib_gigpo.loss.token_columns import TokenColumns


def evaluate(loss, ratios, advantages, *, rows=None, old=-2.0):
    """Return the losses, which of them are clipped, and the gradients with respect to logp."""
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
    # 4 with A = -2: -8, which the dual clip bounds at 3 * -2 = -6.
    assert loss == pytest.approx([-2.0, -2.4, -1.0, 3.0, 1.6, 6.0], abs=1e-12)
    assert is_clipped == [False, True, False, False, True, True]
    assert gradient == pytest.approx([-2.0, 0.0, -1.0, 3.0, 0.0, 0.0], abs=1e-12)


def test_clip_higher_moves_the_upper_bound_only():
    loss, is_clipped, _ = losses([1.25, 1.5, 0.75], [1.0, 1.0, -1.0], clip_param_high=0.28)
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
    loss = GSPOLoss(clip_param=0.2, clip_param_high=0.5)
    # Row 0: the geometric mean of 2 and 0.5 is 1; row 1: that of 4 and 1 is 2, clipped at 1.5.
    found = evaluate(loss, [2.0, 4.0, 0.5, 1.0], [1.0, 1.0, 1.0, 1.0], rows=[0, 1, 0, 1])
    assert found[0] == pytest.approx([-1.0, -1.5, -1.0, -1.5], abs=1e-12)
    assert found[1] == [False, True, False, True]
    assert found[2] == pytest.approx([-1.0, 0.0, -1.0, 0.0], abs=1e-12)


def test_gspo_bounds_the_log_ratio_at_ten():
    found = evaluate(GSPOLoss(), [math.exp(12)], [-1.0])
    assert found[0] == pytest.approx([math.exp(10)])


def test_cispo_clips_the_weight_and_keeps_every_gradient():
    found = evaluate(
        CISPOLoss(clip_param=1.0, clip_param_high=0.2), [1.0, 3.0, 0.5], [1.0, 2.0, -1.0]
    )
    logps = [-2.0, -2.0 + math.log(3), -2.0 + math.log(0.5)]
    weights = [1.0, 1.2, 0.5]
    assert found[0] == pytest.approx(
        [-weights[0] * logps[0], -weights[1] * 2 * logps[1], weights[2] * logps[2]], abs=1e-12
    )
    assert found[1] == [False, True, False]
    assert found[2] == pytest.approx([-1.0, -2.4, 0.5], abs=1e-12)


@pytest.mark.parametrize("name", ["ppo", "gspo", "cispo"])
def test_on_fresh_data_every_loss_has_the_policy_gradient(name):
    loss = POLICY_LOSSES.build(name, {"clip_param": 0.2})
    _, is_clipped, gradient = evaluate(loss, [1.0, 1.0], [2.0, -3.0])
    assert gradient == pytest.approx([-2.0, 3.0], abs=1e-12)
    assert is_clipped == [False, False]


def test_an_unknown_policy_loss_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="use one of cispo, gspo, ppo"):
        POLICY_LOSSES.build("a2c")


@pytest.mark.parametrize("name", ["ppo", "gspo", "cispo"])
def test_every_known_loss_is_filled_with_the_clip_range_of_the_config(name):
    loss = POLICY_LOSSES.build({"name": name, "clip_param_high": 0.5}, {"clip_param": 0.1})
    assert (loss.clip_param, loss.clip_param_high) == (0.1, 0.5)
    assert loss.bounds == pytest.approx((0.9, 1.5))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (PPOLoss, {"clip_param": 1.0}, r"clip_param=1.0 must be in \(0, 1\)"),
        (GSPOLoss, {"clip_param": 0.0}, r"clip_param=0.0 must be in \(0, 1\)"),
        (CISPOLoss, {"clip_param": 1.1}, r"clip_param=1.1 must be in \(0, 1\]"),
        (PPOLoss, {"clip_param_high": 0.0}, "clip_param_high=0.0 must be above 0"),
        (CISPOLoss, {"clip_param_high": -1.0}, "clip_param_high=-1.0 must be above 0"),
        (PPOLoss, {"dual_clip": 1.0}, "dual_clip=1.0 must be above 1"),
    ],
)
def test_a_bound_that_bounds_nothing_is_refused(loss, options, message):
    with pytest.raises(ValueError, match=message):
        loss(**options)


@pytest.mark.parametrize("name", ["gspo", "cispo"])
def test_only_ppo_has_a_dual_clip(name):
    with pytest.raises(ConfigError, match="has no option 'dual_clip'"):
        POLICY_LOSSES.build({"name": name, "dual_clip": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(PolicyLoss):
    """A scaled (ρ - 1)·A without a clip, which still reports one."""

    name = "linear"

    clip_param: float = 0.2
    scale: float = 1.0

    def __call__(self, logp, columns):
        ratio = (logp - columns.old_logp).exp()
        return -self.scale * (ratio - 1) * columns.advantages, ratio > 1 + self.clip_param


def test_a_class_of_ones_own_has_its_options_and_the_clip_range_of_the_config():
    loss = POLICY_LOSSES.build({"name": Linear, "scale": 2.0}, {"clip_param": 0.6})
    found, is_clipped, gradient = evaluate(loss, [1.5, 2.0], [1.0, -3.0])
    assert found == pytest.approx([-1.0, 6.0])
    assert is_clipped == [False, True]
    assert gradient == pytest.approx([-3.0, 12.0])


def minus_advantage_times_logp(logp, columns):
    return -columns.advantages * logp


def likely_only(logp, columns):
    is_unlikely = logp < -2.0
    return (-columns.advantages * logp).masked_fill(is_unlikely, 0.0), is_unlikely


def test_a_plain_function_is_a_loss_that_clips_nothing():
    loss = POLICY_LOSSES.build(minus_advantage_times_logp, {"clip_param": 0.2})
    found, is_clipped, gradient = evaluate(loss, [1.0, 1.0], [2.0, -3.0])
    assert found == pytest.approx([4.0, -6.0])
    assert is_clipped == [False, False]
    assert gradient == pytest.approx([-2.0, 3.0])


def test_a_plain_function_may_say_what_it_has_clipped():
    found, is_clipped, gradient = evaluate(POLICY_LOSSES.build(likely_only), [0.5, 1.5], [1.0, 1.0])
    assert found == pytest.approx([0.0, 2.0 - math.log(1.5)])
    assert is_clipped == [True, False]
    assert gradient == pytest.approx([0.0, -1.0])


def test_a_loss_of_ones_own_takes_part_in_the_objective():
    logp = torch.tensor([-1.0, -3.0], requires_grad=True)
    columns = TokenColumns(
        rollout_logp=logp.detach(),
        old_logp=logp.detach(),
        advantages=torch.tensor([1.0, 2.0]),
        loss_weights=torch.ones(2),
        metric_weights=torch.ones(2),
        row_ids=torch.arange(2),
    )
    settings = ObjectiveSettings(policy_loss=POLICY_LOSSES.build(likely_only))
    result = objective(logp, torch.zeros(2), columns, settings)
    metrics = dict(zip(METRIC_NAMES, result.sums.tolist(), strict=True))
    assert result.loss.item() == pytest.approx(1.0)
    assert metrics["clip_fraction"] == 1.0
