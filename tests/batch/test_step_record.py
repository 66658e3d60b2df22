"""Step records, and the episodes that hold them."""

import dataclasses

import numpy as np
import pytest
from support.episodes import episode_of, step_record

from rllib_gigpo.batch.step_record import step_records


def test_the_policy_version_is_that_of_the_oldest_token():
    record = step_record(num_tokens=3, token_versions=np.array([5, 3, 4]))
    assert record.policy_version == 3
    assert type(record.policy_version) is int


def test_an_answer_without_tokens_has_no_policy_version():
    assert step_record(num_tokens=0).policy_version == -1


@pytest.mark.parametrize(
    ("finish_reason", "is_cut"), [("stop", False), ("length", True), ("abort", False)]
)
def test_only_the_token_limit_cuts_an_answer(finish_reason, is_cut):
    assert step_record(finish_reason=finish_reason).is_response_cut is is_cut


def test_records_are_listed_step_by_step_and_episode_after_episode():
    records = [step_record(reward=float(number)) for number in range(3)]
    listed = step_records([episode_of(records[:2]), episode_of(records[2:])])
    assert [one.reward for one in listed] == [0.0, 1.0, 2.0]
    assert all(one is other for one, other in zip(listed, records, strict=True))


def test_no_episodes_have_no_records():
    assert step_records([]) == []


def test_a_record_is_frozen_and_equal_to_itself_alone():
    # Arrays have no truth value, so comparing the fields of two records would fail.
    record = step_record()
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.reward = 1.0
    assert record == record
    assert record != step_record()
