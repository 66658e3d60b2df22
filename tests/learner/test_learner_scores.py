"""Scores that the Learners compute before credit: each Learner receives only its own share."""

import functools
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from ray.exceptions import RayActorError

from rllib_gigpo import columns
from rllib_gigpo.errors import UpdateError
from rllib_gigpo.learner import learner_calls
from rllib_gigpo.learner.learner_calls import LearnerCalls
from rllib_gigpo.learner.learner_scores import RewardDivergences

RESPONSES = [[7], [8, 9], [1, 2, 3], [4], [5, 6]]


class Episode:
    """An episode with only the records of its steps and its group."""

    custom_data: ClassVar = {columns.GROUP_ID: 0}

    def __init__(self, responses):
        self._records = [
            SimpleNamespace(
                prompt_token_ids=[1],
                response_token_ids=response,
                rollout_logp=np.zeros(len(response)),
                images=(),
            )
            for response in responses
        ]

    def __len__(self):
        return len(self._records)

    def get_extra_model_outputs(self, column):
        assert column == columns.STEP_RECORD
        return self._records


class FakeLearner:
    """A Learner that reports 10 times the length of an answer as its divergence."""

    shares_prefixes = True

    def __init__(self, rank):
        self.sharding = SimpleNamespace(rank=rank)

    def kl_penalties(self, rows):
        return 10.0 * rows.response_lengths


class Learners:
    """RLlib's group of remote Learners, of which the last one answers first."""

    is_local = False

    def __init__(self, num_learners, num_answering=None):
        self._learners = [FakeLearner(rank) for rank in reversed(range(num_learners))]
        self._num_answering = num_learners if num_answering is None else num_answering
        self._workers = [
            SimpleNamespace(apply=SimpleNamespace(remote=functools.partial(self._apply, learner)))
            for learner in self._learners
        ]
        self.working = None

    def __len__(self):
        return len(self._learners)

    def foreach_learner(self, function, *, timeout_seconds):
        """Answer with the results of a function on all Learners."""
        assert timeout_seconds == 2.0
        return [SimpleNamespace(ok=True, get=lambda: True) for _ in self._learners]

    def _apply(self, learner, function):
        """Return a call to come, or None if the Learner will not answer."""
        if self._learners.index(learner) >= self._num_answering:
            return None

        def call():
            self.working = learner.sharding.rank
            return function(learner)

        return call


@pytest.fixture
def store(monkeypatch):
    """Replace Ray by a list of stored objects, and calls that run when they are read."""
    stored = []

    def put(share):
        stored.append(share)
        return len(stored) - 1

    def get(reference):
        return reference() if callable(reference) else stored[reference]

    def wait(references, *, timeout):
        ready = [one for one in references if one is not None][:1]
        return ready, [one for one in references if one not in ready or one is None]

    monkeypatch.setattr(learner_calls, "ray", SimpleNamespace(put=put, get=get, wait=wait))
    return stored


@pytest.mark.parametrize("num_learners", [1, 2, 3, 7])
def test_a_learner_fetches_its_own_share_and_the_answers_are_in_order(
    monkeypatch, store, num_learners
):
    learners, fetched = Learners(num_learners), []

    own_get = learner_calls.ray.get

    def get(reference):
        if not callable(reference):
            fetched.append((learners.working, reference))
        return own_get(reference)

    monkeypatch.setattr(learner_calls.ray, "get", get)
    episodes = [Episode(RESPONSES[:3]), Episode(RESPONSES[3:])]
    scores = RewardDivergences(LearnerCalls(learners, timeout_s=2.0))(episodes)
    assert scores[columns.KL_PENALTIES].tolist() == [10.0, 20.0, 30.0, 10.0, 20.0]
    assert sorted(fetched) == [(rank, rank) for rank in range(num_learners)]
    assert sum(rows.num_rows for rows in store) == len(RESPONSES)


@pytest.mark.fault("B16", promise="The wait for a Learner has a limit, which the message names.")
def test_a_learner_that_does_not_answer_is_an_error(store):
    calls = LearnerCalls(Learners(3, num_answering=2), timeout_s=2.0)
    with pytest.raises(UpdateError, match=r"1 of 3 Learners have not .*2 s .*update_timeout_s"):
        RewardDivergences(calls)([Episode(RESPONSES)])


@pytest.mark.parametrize("error", [RayActorError(), ValueError("wrong")])
def test_the_cause_comes_before_the_deaths_that_follow(monkeypatch, store, error):
    learners = Learners(2)

    def fail(learner, rows):
        raise error if learner.sharding.rank == 0 else RayActorError()

    monkeypatch.setattr(FakeLearner, "kl_penalties", fail)
    expected = UpdateError if isinstance(error, RayActorError) else ValueError
    with pytest.raises(expected, match=r"A Learner died during kl_penalties|wrong"):
        RewardDivergences(LearnerCalls(learners, timeout_s=2.0))([Episode(RESPONSES)])
