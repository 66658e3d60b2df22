"""Dynamic sampling: only missing groups are drawn again, and the batch has the exact size."""

import pytest

from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.sampling.dynamic_sampler import DynamicSampler
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.rollout_metrics import rollout_metrics
from rllib_gigpo.sampling.training_tasks import TaskStream


class Episode:
    """An episode with only what the metrics and the filter read: one step, one reward."""

    is_terminated, is_truncated = True, False

    def __init__(self, reward):
        self._reward = reward

    def __len__(self):
        return 1

    def get_rewards(self):
        return [self._reward]

    def get_return(self):
        return self._reward

    def get_infos(self, index):
        return {}

    def get_extra_model_outputs(self, column):
        return []


class Runner:
    """A player of pairs; both members of a task whose seed is in ``dull`` win."""

    def __init__(self, dull, broken=()):
        self.dull, self.broken = set(dull), set(broken)
        self.calls = []

    def sample_groups(self, tasks, *, weight_version):
        self.calls.append([task.seed for task in tasks])
        whole = [task for task in tasks if task.seed not in self.broken]
        return SampleResult(
            groups=[
                FinishedGroup(task, [Episode(1.0), Episode(float(task.seed in self.dull))])
                for task in reversed(whole)
            ],
            lost=[LostGroup(task, "step", "broke") for task in tasks if task not in whole],
        )


def sample(runner, num_groups, *, max_resamples=10):
    sampler = DynamicSampler(
        GroupSampler(runner.sample_groups, max_lost_rate=0.99), max_resamples=max_resamples
    )
    stream = TaskStream(
        group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=None, seed=0
    )
    return sampler.sample(stream.draw, num_groups, weight_version=0)


def seeds(groups):
    return [group.task.seed for group in groups]


def test_only_as_many_groups_as_are_missing_are_drawn_again():
    runner = Runner(dull={1, 2, 4})
    result = sample(runner, 4)
    assert runner.calls == [[0, 1, 2, 3], [4, 5], [6]]
    assert seeds(result.groups) == [0, 3, 5, 6]
    assert sorted(seeds(result.filtered)) == [1, 2, 4]


def test_a_full_batch_is_not_drawn_again():
    runner = Runner(dull=())
    assert seeds(sample(runner, 3).groups) == [0, 1, 2]
    assert len(runner.calls) == 1


def test_after_the_last_resample_the_batch_is_filled_up_to_its_exact_size():
    runner = Runner(dull=range(1, 100))
    result = sample(runner, 4, max_resamples=2)
    assert len(runner.calls) == 3
    assert len(result.groups) == 4
    assert 0 in seeds(result.groups)
    assert len(result.filtered) == 4 + 3 + 3 - 4


def test_lost_groups_are_drawn_again_beside_it():
    result = sample(Runner(dull={1}, broken={0}), 2)
    assert seeds(result.groups) == [2, 3]
    assert [lost.task.seed for lost in result.lost] == [0]


def test_groups_that_were_drawn_to_be_safe_count_as_filtered():
    # 0 and 2 are lost, then half of the first redraw; so the second draws two for one.
    result = sample(Runner(dull=(), broken={0, 2, 4}), 4)
    assert seeds(result.groups) == [1, 3, 5, 6]
    assert seeds(result.filtered) == [7]


def test_metrics_are_of_all_that_was_played_and_of_the_batch():
    metrics = rollout_metrics(sample(Runner(dull={0, 1, 2}), 2))
    # Three pairs of winners are filtered; two pairs with one winner each stay.
    assert metrics["success_rate"] == pytest.approx((6 + 2) / 10)
    assert metrics["batch_success_rate"] == pytest.approx(0.5)
    assert metrics["episode_return_mean"] == pytest.approx(0.8)
    assert metrics["num_episodes"] == 10
    assert metrics["num_groups_filtered"] == 3
    assert metrics["filtered_share"] == pytest.approx(0.6)
