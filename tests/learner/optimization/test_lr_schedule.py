import math

import pytest

from rllib_gigpo.learner.optimization.lr_schedule import LR_SCHEDULES, Constant, Cosine, Linear


def rates(num, schedule):
    return [8.0 * schedule(iteration) for iteration in range(num)]


def test_a_constant_rate_warms_up_and_stays():
    assert rates(6, Constant(warmup_iterations=4)) == [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]


def test_a_linear_rate_falls_to_its_final_fraction():
    settings = {"warmup_iterations": 2, "decay_iterations": 6}
    assert rates(8, Linear(**settings)) == [4.0, 8.0, 8.0, 6.0, 4.0, 2.0, 0.0, 0.0]
    assert rates(7, Linear(**settings, final_fraction=0.5))[2:] == [8.0, 7.0, 6.0, 5.0, 4.0]


def test_a_cosine_rate_has_the_values_of_the_cosine():
    expected = [4.0 * (1.0 + math.cos(math.pi * i / 4)) for i in range(5)]
    assert rates(5, Cosine(decay_iterations=4)) == pytest.approx(expected)


def test_a_decay_without_an_end_or_with_one_inside_the_warm_up_is_an_error():
    with pytest.raises(TypeError, match="decay_iterations"):
        LR_SCHEDULES.build("linear")
    with pytest.raises(ValueError, match="decay_iterations=3"):
        Linear(warmup_iterations=3, decay_iterations=3)


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ValueError, match="'step'"):
        LR_SCHEDULES.build("step")
