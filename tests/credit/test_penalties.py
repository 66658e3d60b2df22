import numpy as np
import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.penalties import (
    OverlongPenalty,
    Penalties,
    invalid_penalties,
    overlong_penalties,
)
from rllib_gigpo.errors import ConfigError


def test_an_answer_without_format_pays_for_that_and_not_for_its_action():
    found = invalid_penalties(
        np.array([True, True, False, False]),
        np.array([True, False, True, False]),
        format=0.5,
        admissible=0.2,
    )
    assert found.tolist() == [0.0, 0.2, 0.5, 0.5]


def test_overlong_answers_pay_the_more_the_closer_they_come_to_the_limit():
    found = overlong_penalties(
        np.array([0, 60, 80, 95, 100]), max_tokens=100, buffer_tokens=40, weight=2.0
    )
    assert found.tolist() == pytest.approx([0.0, 0.0, 1.0, 1.75, 2.0])


def test_penalties_are_free_only_if_no_answer_costs_anything():
    assert Penalties(mode="row", filter_overlong=True).is_free
    costly = {"format": 0.1, "admissible": 0.1, "overlong": OverlongPenalty(buffer_tokens=5)}
    for name, cost in costly.items():
        assert not Penalties(**{name: cost}).is_free


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        ({"mode": "both"}, "penalties.mode='both' is not one of 'return' or 'row'"),
        ({"mode": "score"}, "penalties.mode='score' is not one of"),
        ({"format": -0.1}, "penalties.format=-0.1 must be at least 0"),
        ({"overlong": {"weight": 1.0}}, "overlong.buffer_tokens has no default; set it"),
        ({"overlong": {"buffer_tokens": 0}}, "buffer_tokens=0 must be at least 1"),
    ],
)
def test_penalties_that_cannot_be_are_refused(penalties, message):
    with pytest.raises(ConfigError, match=message):
        _ = GiGPOConfig().training(penalties=penalties).settings
