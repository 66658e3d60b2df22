"""A Learner that does not answer ends a save before it starts."""

import pytest

from rllib_gigpo.checkpoints.learner_failures import check_answering
from rllib_gigpo.errors import CheckpointError


class Learners:
    """RLlib's group of three Learners, of which some answer."""

    def __init__(self, num_answering):
        self._num_answering = num_answering

    def __len__(self):
        return 3

    def foreach_learner(self, function, *, healthy_only, timeout_seconds):
        return [object()] * self._num_answering


@pytest.mark.fault("B16", promise="A save does not wait for a Learner that hangs.")
def test_a_learner_that_does_not_answer_is_told_before_a_save():
    with pytest.raises(CheckpointError, match=r"1 Learner.* not answered for 60 s"):
        check_answering(Learners(2))


def test_learners_that_answer_may_save():
    check_answering(Learners(3))
