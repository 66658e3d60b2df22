"""The sampling phase: the batch has the size asked for, and lost groups are drawn again."""

import pytest

from rllib_gigpo import sampling
from rllib_gigpo.env_runner.records import FinishedGroup, LostGroup, SampleResult
from rllib_gigpo.errors import EnvContractError, RolloutError
from rllib_gigpo.sampling import GroupSampler
from rllib_gigpo.tasks import EvaluationTasks, TaskStream


class FakeRunner:
    """Loses the tasks whose seed is in ``broken``; finishes the others in reverse order."""

    def __init__(self, worker_index, broken=()):
        self.worker_index = worker_index
        self.broken = set(broken)
        self.played = []

    def sample_groups(self, tasks, *, explore, weight_version):
        self.played += [task.seed for task in tasks]
        return SampleResult(
            groups=[
                FinishedGroup(task, []) for task in reversed(tasks) if task.seed not in self.broken
            ],
            lost=[LostGroup(task, "step", "broke") for task in tasks if task.seed in self.broken],
        )


class FakeGroup:
    """An EnvRunnerGroup of fakes; those in ``dead`` give no answer."""

    def __init__(self, *runners, local=None, dead=()):
        self.local_env_runner = local
        self.runners = {runner.worker_index: runner for runner in runners}
        self.dead = set(dead)

    def healthy_env_runner_ids(self):
        return [index for index in self.runners if index not in self.dead]

    def foreach_env_runner(self, func, *, local_env_runner, remote_worker_ids, timeout_seconds):
        answers = []
        for index in remote_worker_ids:
            if getattr(self.runners[index], "dies", False):
                self.dead.add(index)
            else:
                answers.append(func(self.runners[index]))
        return answers


def sampler(group, *, max_redraws=10, restore=lambda: None, restore_timeout_s=60.0):
    return GroupSampler(
        group,
        max_redraws=max_redraws,
        timeout_s=None,
        restore=restore,
        restore_timeout_s=restore_timeout_s,
    )


def stream(num_tasks=None):
    return TaskStream(first_task=0, num_tasks=num_tasks, seed=0)


def seeds(result):
    return [group.task.seed for group in result.groups]


def test_groups_are_shared_out_and_come_back_in_order():
    runners = FakeRunner(1), FakeRunner(2)
    result = sampler(FakeGroup(*runners)).sample(stream().draw, 5, weight_version=0)
    assert seeds(result) == [0, 1, 2, 3, 4]
    assert [runner.played for runner in runners] == [[0, 2, 4], [1, 3]]


def test_lost_groups_are_drawn_again_until_the_batch_is_full():
    local = FakeRunner(0, broken={1, 3, 4})
    result = sampler(FakeGroup(local=local)).sample(stream().draw, 4, weight_version=0)
    assert seeds(result) == [0, 2, 5, 6]
    assert [lost.task.seed for lost in result.lost] == [1, 3, 4]


def test_evaluation_plays_the_lost_tasks_themselves_again():
    class BrokenOnce(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            result = super().sample_groups(tasks, **kwargs)
            self.broken = set()
            return result

    local = BrokenOnce(0, broken={101})
    tasks = EvaluationTasks(first_task=100, num_tasks=3)
    result = sampler(FakeGroup(local=local)).sample(tasks.draw, 3, weight_version=0)
    assert seeds(result) == [100, 101, 102]
    assert local.played == [100, 101, 102, 101]


def test_too_many_losses_in_a_row_stop_with_the_last_fault():
    local = FakeRunner(0, broken=range(1000))
    with pytest.raises(RolloutError, match=r"8 groups in a row.*8? x step.*broke.*check_env"):
        sampler(FakeGroup(local=local), max_redraws=5).sample(stream().draw, 4, weight_version=0)


def test_an_evaluation_goes_on_without_a_task_that_cannot_be_played():
    local = FakeRunner(0, broken={101})
    tasks = EvaluationTasks(first_task=100, num_tasks=3)
    one = sampler(FakeGroup(local=local), max_redraws=4)
    result = one.sample(tasks.draw, 3, weight_version=0, explore=False)
    assert seeds(result) == [100, 102]
    assert {lost.task.seed for lost in result.lost} == {101}
    # The losses of an evaluation do not count against the training that goes on.
    assert len(one.sample(stream().draw, 2, weight_version=0).groups) == 2


def test_an_evaluation_of_which_nothing_can_be_played_is_an_error():
    local = FakeRunner(0, broken=range(1000))
    tasks = EvaluationTasks(first_task=100, num_tasks=3)
    with pytest.raises(RolloutError, match="broke"):
        sampler(FakeGroup(local=local)).sample(tasks.draw, 3, weight_version=0, explore=False)


def test_losses_between_finished_groups_never_add_up():
    local = FakeRunner(0, broken=range(0, 1000, 2))
    one = sampler(FakeGroup(local=local), max_redraws=5)
    tasks = stream()
    for _ in range(10):
        assert len(one.sample(tasks.draw, 4, weight_version=0).groups) == 4


def test_groups_of_a_runner_that_dies_are_played_by_the_others():
    dying, healthy = FakeRunner(1), FakeRunner(2)
    dying.dies = True
    result = sampler(FakeGroup(dying, healthy)).sample(stream().draw, 4, weight_version=0)
    assert len(result.groups) == 4
    assert {lost.kind for lost in result.lost} == {"runner"}


def test_when_all_runners_are_dead_they_are_brought_back():
    group = FakeGroup(FakeRunner(1), dead={1})
    result = sampler(group, restore=group.dead.clear).sample(stream().draw, 2, weight_version=0)
    assert len(result.groups) == 2


def test_runners_that_take_their_time_to_come_back_are_awaited(monkeypatch):
    monkeypatch.setattr(sampling.time, "sleep", lambda seconds: None)
    group, probes = FakeGroup(FakeRunner(1), dead={1}), []

    def restore():
        probes.append(None)
        if len(probes) == 3:
            group.dead.clear()

    result = sampler(group, restore=restore).sample(stream().draw, 2, weight_version=0)
    assert len(result.groups) == 2
    assert not result.lost


def test_runners_that_never_come_back_are_an_error():
    group = FakeGroup(FakeRunner(1), dead={1})
    with pytest.raises(RolloutError, match=r"All EnvRunners have died.*0 s"):
        sampler(group, restore_timeout_s=0.0).sample(stream().draw, 2, weight_version=0)


def test_a_clear_error_of_a_remote_runner_is_raised_as_it_is():
    class Refuses(FakeRunner):
        def sample_groups(self, tasks, **kwargs):
            raise EnvContractError("the observation is no text")

    with pytest.raises(EnvContractError, match="no text"):
        sampler(FakeGroup(Refuses(1))).sample(stream().draw, 2, weight_version=0)
