import dataclasses
import math

import pytest
import torch

from rllib_gigpo.loss.objective import METRIC_NAMES, ObjectiveSettings, objective
from rllib_gigpo.loss.token_columns import TokenColumns


def columns(weights=(1.0, 1.0), ref_logp=(-1.0, -2.0)):
    old_logp = torch.tensor([-1.0, -2.0])
    return TokenColumns(
        rollout_logp=old_logp,
        old_logp=old_logp,
        advantages=torch.tensor([2.0, -1.0]),
        loss_weights=torch.tensor(weights),
        metric_weights=torch.tensor(weights),
        row_ids=torch.arange(2),
        ref_logp=None if ref_logp is None else torch.tensor(ref_logp),
    )


LOGP = torch.tensor([-1.0 + math.log(1.5), -2.0])
ENTROPY = torch.tensor([0.5, 0.25])


def test_the_loss_sum_is_the_number_worked_by_hand():
    settings = ObjectiveSettings(kl_coeff=0.1, entropy_coeff=0.01)
    result = objective(LOGP, ENTROPY, columns(), settings)
    # Token 0: ratio 1.5, A = 2, clipped to -2.4; k3 of d = ln 1.5: 1/1.5 - 1 + ln 1.5 = 0.0721318.
    # Token 1: ratio 1, A = -1: 1; d = 0.
    kl = 1 / 1.5 - 1 + math.log(1.5)
    assert result.loss.item() == pytest.approx(-2.4 + 1.0 + 0.1 * kl - 0.01 * 0.75, abs=1e-6)
    metrics = dict(zip(METRIC_NAMES, result.sums.tolist(), strict=True))
    assert metrics == pytest.approx(
        {
            "num_tokens": 2.0,
            "policy_loss": -1.4,
            "clip_fraction": 1.0,
            "ratio_mean": 2.5,
            "ratio_deviation": 0.5,
            # k3 of KL(old || new): ratio - 1 - ln ratio.
            "approx_kl": 0.5 - math.log(1.5),
            "entropy": 0.75,
            "kl_to_reference": kl,
            "rollout_kl": -math.log(1.5),
        },
        abs=1e-6,
    )
    assert result.max_ratio_deviation.item() == pytest.approx(0.5, abs=1e-6)
    assert result.max_abs_logp_diff.item() == pytest.approx(math.log(1.5), abs=1e-6)


def test_a_token_of_weight_zero_is_inert():
    result = objective(LOGP, ENTROPY, columns(weights=(0.0, 1.0)), ObjectiveSettings())
    assert result.loss.item() == pytest.approx(1.0)
    assert result.sums[0].item() == 1.0
    assert result.max_ratio_deviation.item() == 0.0
    assert result.max_abs_logp_diff.item() == 0.0


def test_a_kl_term_without_a_reference_is_an_error():
    with pytest.raises(ValueError, match="ref_logp"):
        objective(LOGP, ENTROPY, columns(ref_logp=None), ObjectiveSettings(kl_coeff=0.1))


def test_parts_add_up_to_the_whole():
    settings = ObjectiveSettings(entropy_coeff=0.1)
    whole = objective(LOGP, ENTROPY, columns(), settings)
    parts = [
        objective(LOGP, ENTROPY, columns(weights=weights), settings)
        for weights in ((1.0, 0.0), (0.0, 1.0))
    ]
    assert sum(part.loss.item() for part in parts) == pytest.approx(whole.loss.item(), abs=1e-6)
    torch.testing.assert_close(parts[0].sums + parts[1].sums, whole.sums)


def test_importance_weighs_the_policy_loss_alone():
    weighed = dataclasses.replace(columns(), importance=torch.tensor([0.5, 2.0]))
    settings = ObjectiveSettings(kl_coeff=0.1)
    kl = 1 / 1.5 - 1 + math.log(1.5)
    found = objective(LOGP, ENTROPY, weighed, settings).loss.item()
    assert found == pytest.approx(-2.4 * 0.5 + 1.0 * 2 + 0.1 * kl, abs=1e-6)


def test_the_deviation_is_measured_from_the_rollout_also_where_the_ratio_is_not():
    moved = dataclasses.replace(columns(), old_logp=LOGP)
    result = objective(LOGP, ENTROPY, moved, ObjectiveSettings())
    assert result.max_ratio_deviation.item() == pytest.approx(0.5, abs=1e-6)
    assert dict(zip(METRIC_NAMES, result.sums.tolist(), strict=True))["ratio_deviation"] == 0.0
