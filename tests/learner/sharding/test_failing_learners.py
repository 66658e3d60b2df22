"""One Learner that fails or hangs ends the update of all, with its reason and within the limit."""

import time

import pytest

from rllib_gigpo.errors import UpdateError
from rllib_gigpo.learner.learner_calls import LearnerCalls

SHARDINGS = pytest.mark.parametrize(
    "sharding", ["fsdp2", pytest.param("ddp", marks=pytest.mark.slow)]
)


def break_passes(group, rank, action):
    """Replace the forward pass of one Learner after its first micro-batch."""

    def patch(learner):
        if learner.sharding.rank == rank:
            own, count = learner._forward, iter(range(100))
            learner._forward = lambda batch: action() if next(count) else own(batch)

    for result in group.foreach_learner(patch):
        result.get()


@pytest.fixture(autouse=True)
def short_shutdown(monkeypatch):
    """Ray waits half a minute for Learners that are stuck in a collective operation."""
    monkeypatch.setenv("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "1")


@SHARDINGS
@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_the_reason_of_the_one_that_fails_is_told(make_group, make_rows, sharding, rank):
    group = make_group(2, sharding=sharding, micro_batch_tokens=30)  # the limit is an hour

    def fail():
        raise ValueError("the cause of it all")

    break_passes(group, rank, fail)
    with pytest.raises(ValueError, match="the cause of it all"):
        LearnerCalls(group, timeout_s=3600.0).update(make_rows())
    group.shutdown()


def test_a_learner_waits_no_longer_than_the_limit_for_one_that_hangs(make_group, make_rows):
    group = make_group(2, sharding="fsdp2", micro_batch_tokens=30, update_timeout_s=3.0)
    break_passes(group, 1, lambda: time.sleep(120))
    # Without a limit of the driver: the Learner's own, which Ray sets to half an hour, ends it.
    with pytest.raises(RuntimeError, match=r"Timed out waiting 3000\s?ms"):
        LearnerCalls(group, timeout_s=100.0).update(make_rows())
    group.shutdown()


@pytest.mark.slow
def test_the_driver_says_how_many_have_not_finished(make_group, make_rows):
    group = make_group(2, sharding="fsdp2", micro_batch_tokens=30, update_timeout_s=60.0)
    break_passes(group, 1, lambda: time.sleep(120))
    with pytest.raises(UpdateError, match="2 of 2 Learners have not finished update within 3 s"):
        LearnerCalls(group, timeout_s=3.0).update(make_rows())
    group.shutdown()
