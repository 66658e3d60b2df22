"""The sampling phase: the batch has the requested size, and lost groups are drawn again."""

import numpy as np
import pytest

from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling.evaluation import EvaluationTasks
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.training_tasks import TaskStream


class FakeRunner:
    """A player that loses tasks with a seed in ``broken`` and reverses the order of the others."""

    def __init__(self, broken=(), kind="step"):
        self.broken = set(broken)
        self.kind = kind
        self.played = []

    def sample_groups(self, tasks, *, weight_version):
        self.played += [task.seed for task in tasks]
        return SampleResult(
            groups=[
                FinishedGroup(task, []) for task in reversed(tasks) if task.seed not in self.broken
            ],
            lost=[
                LostGroup(task, self.kind, "broke") for task in tasks if task.seed in self.broken
            ],
        )


def sample(runner, draw, num_groups, *, max_lost_rate=0.99):
    sampler = GroupSampler(runner.sample_groups, max_lost_rate=max_lost_rate)
    return sampler.sample(draw, num_groups, weight_version=0)


def sample_fixed(runner, draw, num_groups):
    sampler = GroupSampler(runner.sample_groups, max_lost_rate=0.99)
    return sampler.sample_fixed(draw, num_groups, weight_version=0)


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
    assert seeds(sample_fixed(runner, tasks.draw, 3)) == [100, 101, 102]
    assert runner.played == [100, 101, 102, 101]


class Flaky(FakeRunner):
    """A player of environments whose every step fails with a probability of 10 %."""

    def __init__(self, steps_per_group):
        super().__init__()
        self.random = np.random.default_rng(0)
        self.p_lost = 1 - 0.9**steps_per_group

    def sample_groups(self, tasks, **kwargs):
        self.broken = {task.seed for task in tasks if self.random.random() < self.p_lost}
        return super().sample_groups(tasks, **kwargs)


@pytest.mark.fault("B5", promise="A run goes on although most of its groups are lost.")
def test_an_environment_that_fails_in_a_tenth_of_its_steps_goes_on(record_property):
    runner = Flaky(steps_per_group=4 * 4)  # 81 % of the groups are lost
    sampler, tasks = GroupSampler(runner.sample_groups, max_lost_rate=0.99), stream()
    results = [sampler.sample(tasks.draw, 4, weight_version=0) for _ in range(150)]
    assert {len(result.groups) for result in results} == {4}
    record_property("happened", "150 of 150 iterations with 4 groups each")
    record_property("lost", f"{sum(len(result.lost) for result in results)} groups of 4 episodes")


@pytest.mark.fault("B5", promise="An environment that always fails ends the run soon.")
def test_a_hundred_lost_groups_stop_with_the_kinds_and_the_last_fault():
    runner = FakeRunner(broken=range(1000))
    with pytest.raises(RolloutError, match=r"100 of the last 100.*100 x step.*broke.*check_env"):
        sample(runner, stream().draw, 4)
    assert len(runner.played) == 100


def test_the_bound_holds_across_iterations():
    # Every third group finishes: 66 or 67 of 100 are lost.
    runner = FakeRunner(broken=set(range(1000)) - set(range(0, 1000, 3)))
    sampler, tasks = GroupSampler(runner.sample_groups, max_lost_rate=0.5), stream()

    def train(num_iterations):
        for _ in range(num_iterations):
            sampler.sample(tasks.draw, 4, weight_version=0)

    train(5)
    with pytest.raises(RolloutError, match=r"51 of the last \d+ groups"):
        train(45)
    assert 51 < len(runner.played) <= 80


def test_each_kind_of_fault_is_warned_of_once():
    sampler, tasks = GroupSampler(FakeRunner({0, 1, 5}).sample_groups, max_lost_rate=0.99), stream()
    sampler.sample(tasks.draw, 3, weight_version=0)
    assert sampler.take_warnings() == {"step": "a group was lost (step): broke"}
    sampler.sample(tasks.draw, 3, weight_version=0)
    assert sampler.take_warnings() == {}


def test_one_incident_may_cost_more_groups_than_the_window_has():
    class DiesOnce(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            self.broken = set() if self.played else {task.seed for task in tasks}
            return super().sample_groups(tasks, **kwargs)

    assert len(sample(DiesOnce(kind="runner"), stream().draw, 256).groups) == 256


@pytest.mark.fault("B9", promise="An environment that always hangs ends the run after six limits.")
def test_incidents_that_cost_six_draws_in_a_row_stop():
    runner = FakeRunner(broken=range(1000), kind="timeout")
    with pytest.raises(RolloutError, match=r"6 draws in a row.*4 x timeout.*broke"):
        sample(runner, stream().draw, 4)
    assert len(runner.played) == 24


def test_a_rate_of_one_never_stops():
    runner = FakeRunner(broken=range(500))
    result = sample(runner, stream().draw, 4, max_lost_rate=1.0)
    assert seeds(result) == [500, 501, 502, 503]


def test_an_incident_that_costs_a_whole_batch_is_drawn_again_once():
    class DiesOnce(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            self.broken = set() if self.played else {task.seed for task in tasks}
            return super().sample_groups(tasks, **kwargs)

    runner = DiesOnce()
    assert len(sample(runner, stream().draw, 16).groups) == 16
    assert len(runner.played) == 32


def test_redraws_hold_a_few_more_groups_than_are_missing_and_the_last_ones_are_left_over():
    draws = []

    def draw(number, lost):
        draws.append(number)
        return tasks.draw(number)

    runner, tasks = FakeRunner(broken={0, 1, 3, 4}), stream()
    result = sample(runner, draw, 3)
    # 2 finishes; of the redraw of two none does; then three instead of two, of which one is over.
    assert draws == [3, 2, 3]
    assert seeds(result) == [2, 5, 6]
    assert [group.task.seed for group in result.filtered] == [7]


def test_an_evaluation_goes_on_without_a_task_that_cannot_be_played():
    tasks = EvaluationTasks(100, 3, SamplingSettings())
    result = sample_fixed(FakeRunner(broken={101}), tasks.draw, 3)
    assert seeds(result) == [100, 102]
    assert {lost.task.seed for lost in result.lost} == {101}


def test_an_evaluation_of_which_nothing_can_be_played_is_an_error():
    tasks = EvaluationTasks(100, 3, SamplingSettings())
    with pytest.raises(RolloutError, match="broke"):
        sample_fixed(FakeRunner(broken=range(1000)), tasks.draw, 3)
