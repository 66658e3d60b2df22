"""Dynamic sampling: only missing groups are drawn again, and the batch has the exact size."""

import pytest
from sampling.fake_crew import FakeCrew

from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.queue.group_queue import GroupQueue
from rllib_gigpo.sampling.rollout_metrics import rollout_metrics
from rllib_gigpo.sampling.training_tasks import TaskStream


class Episode:
    """An episode with only what the metrics and the filter read: one step, one reward."""

    is_terminated, is_truncated = True, False

    def __init__(self, reward):
        self._reward = reward
        self.custom_data = {}

    def __len__(self):
        return 1

    def get_rewards(self):
        return [self._reward]

    def get_return(self):
        return self._reward

    def get_infos(self, index=None):
        return [{}] if index is None else {}

    def get_extra_model_outputs(self, column):
        return []


def crew_of(num_players, *, dull, broken=()):
    """Players of pairs; both members of a task whose seed is in ``dull`` win."""
    return FakeCrew(
        num_players,
        broken=broken,
        episodes=lambda task: [Episode(1.0), Episode(float(task.seed in dull))],
    )


def sample(crew, num_groups, *, max_resamples=10):
    queue = GroupQueue(crew, max_concurrent_episodes=None, overdue_s=100.0)
    sampler = GroupSampler(
        queue, max_lost_rate=0.99, dynamic=DynamicSampling(max_resamples=max_resamples)
    )
    return sampler.sample(stream_of_pairs().draw, num_groups, weight_version=0)


def stream_of_pairs():
    return TaskStream(
        group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=None, seed=0
    )


def seeds(groups):
    return [group.task.seed for group in groups]


PLAYERS = pytest.mark.parametrize("num_players", [1, 2, 3, 5])


@PLAYERS
def test_only_as_many_groups_as_are_missing_are_drawn_again(num_players):
    crew = crew_of(num_players, dull={1, 2, 4})
    result = sample(crew, 4)
    assert sorted(seed for seeds in crew.played.values() for seed in seeds) == list(range(7))
    assert seeds(result.groups) == [0, 3, 5, 6]
    assert seeds(result.filtered) == [1, 2, 4]


def test_a_full_batch_is_not_drawn_again():
    crew = crew_of(1, dull=())
    assert seeds(sample(crew, 3).groups) == [0, 1, 2]
    assert crew.played[1] == [0, 1, 2]


@PLAYERS
def test_after_the_last_resample_the_batch_is_filled_up_to_its_exact_size(num_players):
    crew = crew_of(num_players, dull=set(range(100)) - {2, 6})
    result = sample(crew, 4, max_resamples=2)
    assert seeds(result.groups) == [0, 1, 2, 6]  # 0 and 1 are the oldest without
    assert len(result.filtered) == 4 * (1 + 2) - 4


@PLAYERS
def test_lost_groups_are_drawn_again_beside_it(num_players):
    result = sample(crew_of(num_players, dull={1}, broken={0}), 2)
    assert seeds(result.groups) == [2, 3]
    assert [lost.task.seed for lost in result.lost] == [0]


def test_metrics_are_of_all_that_was_played_and_of_the_batch():
    metrics = rollout_metrics(sample(crew_of(1, dull={0, 1, 2}), 2))
    # Three pairs of winners are filtered; two pairs with one winner each stay.
    assert metrics["success_rate"] == pytest.approx((6 + 2) / 10)
    assert metrics["batch_success_rate"] == pytest.approx(0.5)
    assert metrics["episode_return_mean"] == pytest.approx(0.8)
    assert metrics["num_episodes"] == 10
    assert metrics["num_groups_filtered"] == 3
    assert metrics["filtered_share"] == pytest.approx(0.6)


@pytest.mark.parametrize("num_players", [1, 2, 3])
@pytest.mark.parametrize("max_resamples", [1, 10])
def test_playing_ahead_changes_neither_the_batches_nor_the_tasks_that_follow(
    num_players, max_resamples
):
    def batches(num_players, bound, *, ahead):
        crew = crew_of(num_players, dull={*range(0, 99, 3), *range(30, 50)}, broken={4, 9})
        queue = GroupQueue(crew, max_concurrent_episodes=bound, overdue_s=100.0)
        sampler = GroupSampler(
            queue, max_lost_rate=0.99, dynamic=DynamicSampling(max_resamples=max_resamples)
        )
        tasks = stream_of_pairs()
        found = []
        for _ in range(5):
            result = sampler.sample(
                tasks.draw, 4, weight_version=0, give_back=tasks.give_back if ahead else None
            )
            found.append((seeds(result.groups), seeds(result.filtered), tasks.get_state()))
            assert queue.num_open == 0
        return found, sum(map(len, crew.played.values()))

    plain, num_plain = batches(1, None, ahead=False)
    found, num_played = batches(num_players, 8, ahead=True)
    assert found == plain
    assert num_played >= num_plain
