"""Scores that the Learners compute before credit: each Learner receives only its own share."""

from types import SimpleNamespace

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.learner import learner_scores
from rllib_gigpo.learner.learner_scores import RewardDivergences

RESPONSES = [[7], [8, 9], [1, 2, 3], [4], [5, 6]]


class Episode:
    """An episode with only the records of its steps."""

    def __init__(self, responses):
        self._records = [
            SimpleNamespace(
                prompt_token_ids=[1],
                response_token_ids=response,
                rollout_logp=np.zeros(len(response)),
            )
            for response in responses
        ]

    def get_extra_model_outputs(self, column):
        assert column == columns.STEP_RECORD
        return self._records


class FakeLearner:
    """A Learner that reports 10 times the length of an answer as its divergence."""

    def __init__(self, rank):
        self.sharding = SimpleNamespace(rank=rank)

    def kl_penalties(self, rows):
        return 10.0 * rows.response_lengths


class Learners:
    """RLlib's group of remote Learners, of which the last one answers first."""

    is_local = False

    def __init__(self, num_learners):
        self._learners = [FakeLearner(rank) for rank in reversed(range(num_learners))]
        self.working = None

    def __len__(self):
        return len(self._learners)

    def foreach_learner(self, function):
        for learner in self._learners:
            self.working = learner.sharding.rank
            result = function(learner)
            yield SimpleNamespace(get=lambda result=result: result)


@pytest.mark.parametrize("num_learners", [1, 2, 3, 7])
def test_a_learner_fetches_its_own_share_and_the_answers_are_in_order(monkeypatch, num_learners):
    learners, stored, fetched = Learners(num_learners), [], []

    def put(rows):
        stored.append(rows)
        return len(stored) - 1

    def get(reference):
        fetched.append((learners.working, reference))
        return stored[reference]

    monkeypatch.setattr(learner_scores, "ray", SimpleNamespace(put=put, get=get))
    episodes = [Episode(RESPONSES[:3]), Episode(RESPONSES[3:])]
    scores = RewardDivergences(learners)(episodes)
    assert scores[columns.KL_PENALTIES].tolist() == [10.0, 20.0, 30.0, 10.0, 20.0]
    assert sorted(fetched) == [(rank, rank) for rank in range(num_learners)]
    assert sum(rows.num_rows for rows in stored) == len(RESPONSES)
