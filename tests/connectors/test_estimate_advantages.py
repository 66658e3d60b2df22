"""What is done to an estimator's result, in this order: whitening, then the clip."""

import math

import numpy as np
import pytest

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.connectors.credit.estimate_advantages import EstimateAdvantages


def four_and_zero(batch):
    return np.array([4.0, 0.0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [4.0, 0.0]),
        ({"advantage_clip": 1.0}, [1.0, 0.0]),
        # Over one token of 4 and three of 0: mean 1, variance 3.
        ({"whiten_advantages": True}, [math.sqrt(3), -1 / math.sqrt(3)]),
        # The other way round the clipped 1 and 0 would become √3 and -1/√3 again.
        ({"whiten_advantages": True, "advantage_clip": 1.0}, [1.0, -1 / math.sqrt(3)]),
    ],
)
def test_advantages_are_whitened_over_tokens_and_then_clipped(settings, expected):
    config = GiGPOConfig().training(estimator=four_and_zero, **settings)
    batch = {columns.RESPONSE_LENGTHS: np.array([1, 3])}
    EstimateAdvantages.from_config(config)(batch=batch)
    np.testing.assert_allclose(batch[columns.ADVANTAGES], expected, atol=1e-6)
    # What the rule itself said is kept for the transcripts.
    np.testing.assert_array_equal(batch[columns.STEP_ADVANTAGES], [4.0, 0.0])
