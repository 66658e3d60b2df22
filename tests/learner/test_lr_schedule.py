import math

import pytest

from rllib_gigpo.learner.lr_schedule import learning_rate


def rates(num, **settings):
    return [learning_rate(iteration, lr=8.0, **settings) for iteration in range(num)]


def test_a_constant_rate_warms_up_and_stays():
    assert rates(6, warmup_iterations=4) == [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]


def test_a_linear_rate_falls_to_its_final_fraction():
    settings = {"schedule": "linear", "warmup_iterations": 2, "decay_iterations": 6}
    assert rates(8, **settings) == [4.0, 8.0, 8.0, 6.0, 4.0, 2.0, 0.0, 0.0]
    assert rates(7, **settings, final_fraction=0.5)[2:] == [8.0, 7.0, 6.0, 5.0, 4.0]


def test_a_cosine_rate_has_the_values_of_the_cosine():
    expected = [4.0 * (1.0 + math.cos(math.pi * i / 4)) for i in range(5)]
    assert rates(5, schedule="cosine", decay_iterations=4) == pytest.approx(expected)


def test_a_decay_without_an_end_is_an_error():
    with pytest.raises(ValueError, match="decay_iterations"):
        learning_rate(0, lr=1.0, schedule="linear")


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ValueError, match="'step'"):
        learning_rate(0, lr=1.0, schedule="step")
