import pytest
import torch

from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES, RowColumns, value_loss


def columns(weights=(1.0, 1.0, 1.0)):
    return RowColumns(
        old_values=torch.tensor([0.0, 0.0, 1.0]),
        targets=torch.tensor([1.0, 1.0, 0.0]),
        weights=torch.tensor(weights),
    )


VALUES = [0.8, 0.1, 0.9]


def evaluate(clip, weights=(1.0, 1.0, 1.0)):
    values = torch.tensor(VALUES, requires_grad=True)
    loss, sums = value_loss(values, columns(weights), clip=clip)
    (gradient,) = torch.autograd.grad(loss, values)
    return loss.item(), dict(zip(VALUE_METRIC_NAMES, sums.tolist(), strict=True)), gradient.tolist()


def test_without_a_clip_it_is_the_squared_error():
    loss, metrics, gradient = evaluate(None)
    assert loss == pytest.approx(0.04 + 0.81 + 0.81)
    assert gradient == pytest.approx([-0.4, -1.8, 1.8])
    assert metrics["vf_error"] == pytest.approx(0.2 + 0.9 + 0.9)
    assert metrics["vf_clip_fraction"] == 0.0


def test_a_value_gains_nothing_from_moving_further_than_the_clip():
    # The move by 0.8 is clipped to 0.5 and has no gradient; the other two moved by less than 0.5.
    loss, metrics, gradient = evaluate(0.5)
    assert loss == pytest.approx(0.25 + 0.81 + 0.81)
    assert gradient == pytest.approx([0.0, -1.8, 1.8])
    assert metrics["vf_clip_fraction"] == 1.0


def test_a_row_of_weight_zero_is_inert():
    loss, metrics, _ = evaluate(None, weights=(0.0, 1.0, 0.0))
    assert loss == pytest.approx(0.81)
    assert metrics["num_rows"] == 1.0
