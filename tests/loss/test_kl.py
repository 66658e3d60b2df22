import math

import pytest
import torch

from rllib_gigpo.loss.kl import kl_estimate

LOGP = torch.tensor([math.log(0.5), math.log(0.2), -1.0], dtype=torch.float64)
REF_LOGP = torch.tensor([math.log(0.25), math.log(0.4), -1.0], dtype=torch.float64)
LN2 = math.log(2.0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("k1", [LN2, -LN2, 0.0]),
        ("abs", [LN2, LN2, 0.0]),
        ("k2", [LN2**2 / 2, LN2**2 / 2, 0.0]),
        ("k3", [0.5 - 1 + LN2, 2.0 - 1 - LN2, 0.0]),
    ],
)
def test_each_estimator_gives_the_number_worked_by_hand(kind, expected):
    assert kl_estimate(LOGP, REF_LOGP, kind).tolist() == pytest.approx(expected, abs=1e-12)


def test_k3_is_clamped_at_ten():
    # exp(3) - 1 - 3 = 16.1
    assert kl_estimate(torch.tensor([-4.0]), torch.tensor([-1.0])).item() == 10.0
    assert kl_estimate(torch.tensor([-900.0]), torch.tensor([-1.0])).item() == 10.0


def test_k1_and_k3_average_to_the_kl_of_two_distributions():
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    kl = (p * (p / q).log()).sum().item()
    for kind in ("k1", "k3"):
        mean = (p * kl_estimate(p.log(), q.log(), kind)).sum().item()
        assert mean == pytest.approx(kl, abs=1e-12)


def test_an_unknown_estimator_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'k4'.*'k3'"):
        kl_estimate(LOGP, REF_LOGP, "k4")
