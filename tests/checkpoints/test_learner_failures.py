"""A Learner that does not answer ends a save before it starts; one that fails says why."""

from types import SimpleNamespace

import pytest

from rllib_gigpo.checkpoints.checkpoint_writer import CheckpointWriter
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


class FailedLearner(Learners):
    """RLlib's group of one Learner whose writing has failed, so that it is out of service."""

    def __init__(self):
        super().__init__(1)
        self.failure = "OSError: no space"

    def __len__(self):
        return 1

    def foreach_learner(self, function, *, healthy_only=True, mark_healthy=False, **options):
        if healthy_only and self.failure:
            return []
        failure = self.failure
        self.failure = None if mark_healthy else failure
        return [SimpleNamespace(get=lambda: failure if mark_healthy else None)]


def test_a_save_tells_why_a_learner_failed_and_asks_it_for_nothing_more(tmp_path):
    settings = SimpleNamespace(learners=SimpleNamespace(update_timeout_s=3600))
    writer = CheckpointWriter(SimpleNamespace(settings=settings), FailedLearner())
    with pytest.raises(CheckpointError, match="could not be saved: a Learner reports OSError"):
        writer.save(lambda folder: None, tmp_path / "checkpoint", None)
    assert list(tmp_path.iterdir()) == []
