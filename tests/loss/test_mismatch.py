import math

import pytest
import torch

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.loss.mismatch import ImportanceSettings, importance_weights

# Learner / engine probabilities: 1.5 and 3 in row 0, 0.5 in row 1.
ROLLOUT = torch.full((3,), -2.0)
OLD = ROLLOUT + torch.tensor([1.5, 3.0, 0.5]).log()
ROWS = torch.tensor([0, 0, 1])


@pytest.mark.parametrize(
    ("settings", "expected", "beyond"),
    [
        ({}, [1.5, 2.0, 0.5], [False, True, False]),
        ({"mask": True}, [1.5, 0.0, 0.5], [False, True, False]),
        ({"level": "sequence", "cap": 5.0}, [4.5, 4.5, 0.5], [False, False, False]),
        ({"level": "sequence", "mask": True}, [0.0, 0.0, 0.5], [True, True, False]),
    ],
)
def test_weights_are_ratios_up_to_a_cap(settings, expected, beyond):
    weights, is_beyond = importance_weights(OLD, ROLLOUT, ROWS, ImportanceSettings(**settings))
    assert weights.tolist() == pytest.approx(expected, rel=1e-6)
    assert is_beyond.tolist() == beyond


def test_an_exploded_ratio_is_capped_and_no_infinity():
    weights, _ = importance_weights(
        torch.zeros(1), torch.full((1,), -1e4), torch.zeros(1).long(), ImportanceSettings()
    )
    assert weights.item() == 2.0
    assert math.isfinite(weights.item())


def test_an_unknown_level_is_an_error():
    with pytest.raises(ConfigError, match="level='batch' is not one of 'token' or 'sequence'"):
        _ = GiGPOConfig().training(importance_sampling="batch").settings


def test_a_cap_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match="cap=0 must be above 0"):
        ImportanceSettings(cap=0)
