"""The sampling phase: the batch has the requested size, and lost groups are drawn again."""

import pytest

from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling.evaluation import EvaluationTasks
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.training_tasks import TaskStream


class FakeRunner:
    """A player that loses tasks with a seed in ``broken`` and reverses the order of the others."""

    def __init__(self, broken=()):
        self.broken = set(broken)
        self.played = []

    def sample_groups(self, tasks, *, weight_version):
        self.played += [task.seed for task in tasks]
        return SampleResult(
            groups=[
                FinishedGroup(task, []) for task in reversed(tasks) if task.seed not in self.broken
            ],
            lost=[LostGroup(task, "step", "broke") for task in tasks if task.seed in self.broken],
        )


def sample(runner, draw, num_groups, *, max_redraws=10, may_give_fewer=False):
    sampler = GroupSampler(runner.sample_groups, max_redraws=max_redraws)
    return sampler.sample(draw, num_groups, weight_version=0, may_give_fewer=may_give_fewer)


def stream(num_tasks=None):
    return TaskStream(
        group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=num_tasks, seed=0
    )


def seeds(result):
    return [group.task.seed for group in result.groups]


def test_groups_come_back_in_order():
    assert seeds(sample(FakeRunner(), stream().draw, 5)) == [0, 1, 2, 3, 4]


def test_lost_groups_are_drawn_again_until_the_batch_is_full():
    result = sample(FakeRunner(broken={1, 3, 4}), stream().draw, 4)
    assert seeds(result) == [0, 2, 5, 6]
    assert [lost.task.seed for lost in result.lost] == [1, 3, 4]


def test_evaluation_plays_the_lost_tasks_themselves_again():
    class BrokenOnce(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            result = super().sample_groups(tasks, **kwargs)
            self.broken = set()
            return result

    runner = BrokenOnce(broken={101})
    tasks = EvaluationTasks(100, 3, SamplingSettings())
    assert seeds(sample(runner, tasks.draw, 3, may_give_fewer=True)) == [100, 101, 102]
    assert runner.played == [100, 101, 102, 101]


def test_too_many_draws_without_a_group_stop_with_the_last_fault():
    runner = FakeRunner(broken=range(1000))
    with pytest.raises(RolloutError, match=r"6 draws in a row.*4 x step.*broke.*check_env"):
        sample(runner, stream().draw, 4, max_redraws=5)
    assert len(runner.played) == 6 * 4


def test_an_incident_that_costs_a_whole_batch_is_one():
    class DiesOnce(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            self.broken = set() if self.played else {task.seed for task in tasks}
            return super().sample_groups(tasks, **kwargs)

    assert len(sample(DiesOnce(), stream().draw, 16, max_redraws=1).groups) == 16


def test_losses_between_finished_groups_never_add_up():
    runner = FakeRunner(broken=range(0, 1000, 2))
    tasks = stream()
    for _ in range(10):
        assert len(sample(runner, tasks.draw, 4, max_redraws=2).groups) == 4


def test_an_evaluation_goes_on_without_a_task_that_cannot_be_played():
    tasks = EvaluationTasks(100, 3, SamplingSettings())
    result = sample(FakeRunner(broken={101}), tasks.draw, 3, max_redraws=4, may_give_fewer=True)
    assert seeds(result) == [100, 102]
    assert {lost.task.seed for lost in result.lost} == {101}


def test_an_evaluation_of_which_nothing_can_be_played_is_an_error():
    tasks = EvaluationTasks(100, 3, SamplingSettings())
    with pytest.raises(RolloutError, match="broke"):
        sample(FakeRunner(broken=range(1000)), tasks.draw, 3, may_give_fewer=True)
