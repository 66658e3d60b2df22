"""Memory: which turns a prompt shows."""

import pytest

from rllib_gigpo.prompting import LastSteps, PastStep

PAST = [PastStep(step=step, observation=f"room {step}", action=f"go {step}") for step in (1, 2, 3)]


def test_last_steps_recalls_the_latest_turns_oldest_first():
    assert LastSteps(2).recall(PAST) == PAST[1:]


def test_last_steps_recalls_all_turns_while_there_are_fewer_than_its_length():
    assert LastSteps(5).recall(PAST) == PAST
    assert LastSteps(5).recall([]) == []


def test_a_length_of_zero_shows_no_history():
    assert LastSteps(0).recall(PAST) == []


def test_a_negative_length_is_an_error():
    with pytest.raises(ValueError, match="history_length=-1 must be at least 0"):
        LastSteps(-1)
