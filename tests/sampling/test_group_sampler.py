"""The sampling phase: the batch has the requested size, and lost groups are drawn again."""

import numpy as np
import pytest
from sampling.fake_crew import FakeCrew

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling import fault_bound
from rllib_gigpo.sampling.evaluation import EvaluationTasks
from rllib_gigpo.sampling.group_sampler import MAX_ATTEMPTS, GroupSampler
from rllib_gigpo.sampling.queue.group_queue import GroupQueue
from rllib_gigpo.sampling.training_tasks import TaskStream


def make_sampler(crew, *, max_lost_rate=0.99):
    queue = GroupQueue(crew, max_concurrent_episodes=None, overdue_s=100.0)
    return GroupSampler(queue, max_lost_rate=max_lost_rate)


def sample(crew, draw, num_groups, *, max_lost_rate=0.99):
    return make_sampler(crew, max_lost_rate=max_lost_rate).sample(
        draw, num_groups, weight_version=0
    )


def sample_fixed(crew, tasks):
    return make_sampler(crew).sample_fixed(tasks.group_tasks(), weight_version=0)


def stream(num_tasks=None):
    return TaskStream(
        group_size=2, sampling=SamplingSettings(), first_task=0, num_tasks=num_tasks, seed=0
    )


def seeds(result):
    return [group.task.seed for group in result.groups]


def num_played(crew):
    return sum(map(len, crew.played.values()))


@pytest.mark.parametrize("num_players", [1, 2, 3])
def test_groups_come_back_in_order(num_players):
    assert seeds(sample(FakeCrew(num_players), stream().draw, 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_players", [1, 2, 3])
def test_lost_groups_are_drawn_again_until_the_batch_is_full(num_players):
    result = sample(FakeCrew(num_players, broken={1, 3, 4}), stream().draw, 4)
    assert seeds(result) == [0, 2, 5, 6]
    assert sorted(lost.task.seed for lost in result.lost) == [1, 3, 4]


def test_a_replacement_is_drawn_while_others_are_still_played():
    crew = FakeCrew(2, broken={0})
    crew.asleep = {2}
    tasks, drawn = stream(), []

    def draw(number):
        drawn.append(number)
        if len(drawn) == 2:
            assert crew.held[2]  # which is slow
            crew.asleep = set()
        return tasks.draw(number)

    assert seeds(sample(crew, draw, 4)) == [1, 2, 3, 4]
    assert drawn == [4, 1]


def test_a_failed_player_costs_no_group():
    crew = FakeCrew(2)
    crew.faults = {1: ("runner", "EnvRunner 1 died")}
    sampler = make_sampler(crew)
    result = sampler.sample(stream().draw, 6, weight_version=0)
    assert seeds(result) == [0, 1, 2, 3, 4, 5]
    assert [one.task.seed for one in result.moved] == [0, 2, 4]
    assert sampler.take_warnings() == {
        "runner": "a group is played again elsewhere (runner): EnvRunner 1 died"
    }


def test_statistics_are_those_of_the_whole_phase():
    result = sample(FakeCrew(2), stream().draw, 6)
    assert (result.stats.num_steps, result.stats.seconds) == (6, 3.0)


def test_an_error_leaves_no_group_behind():
    crew = FakeCrew(2)

    def fail(*, timeout_s):
        raise RolloutError("EnvRunner 1 failed")

    crew.collect = fail
    sampler = make_sampler(crew)
    with pytest.raises(RolloutError, match="EnvRunner 1 failed"):
        sampler.sample(stream().draw, 4, weight_version=0)
    assert crew.held == {1: [], 2: []}


def test_evaluation_plays_the_lost_tasks_themselves_again():
    crew = FakeCrew(broken={101})
    give = crew.hand_out

    def hand_out(player, tasks, **kwargs):
        if num_played(crew) == 3:
            crew.broken = set()
        give(player, tasks, **kwargs)

    crew.hand_out = hand_out
    assert seeds(sample_fixed(crew, EvaluationTasks(range(100, 103), SamplingSettings()))) == [
        100,
        101,
        102,
    ]
    assert crew.played[1] == [100, 101, 102, 101]


class Flaky(FakeCrew):
    """A player of environments whose every step fails with a probability of 10 %."""

    def __init__(self, steps_per_group):
        super().__init__()
        self.random = np.random.default_rng(0)
        self.p_lost = 1 - 0.9**steps_per_group

    def hand_out(self, player, tasks, **kwargs):
        self.broken |= {task.seed for task in tasks if self.random.random() < self.p_lost}
        super().hand_out(player, tasks, **kwargs)


@pytest.mark.fault("B5", promise="A run goes on although most of its groups are lost.")
def test_an_environment_that_fails_in_a_tenth_of_its_steps_goes_on(record_property):
    crew = Flaky(steps_per_group=4 * 4)  # 81 % of the groups are lost
    sampler, tasks = make_sampler(crew), stream()
    results = [sampler.sample(tasks.draw, 4, weight_version=0) for _ in range(150)]
    assert {len(result.groups) for result in results} == {4}
    record_property("happened", "150 of 150 iterations with 4 groups each")
    record_property("lost", f"{sum(len(result.lost) for result in results)} groups of 4 episodes")


@pytest.mark.fault("B5", promise="An environment that always fails ends the run soon.")
def test_a_hundred_lost_groups_stop_with_the_kinds_and_the_last_fault():
    crew = FakeCrew(broken=range(1000))
    with pytest.raises(RolloutError, match=r"100 of the last 100.*100 x step.*broke.*check-env"):
        sample(crew, stream().draw, 4)
    assert num_played(crew) <= 100 + 3  # those that were under way


def test_the_bound_holds_across_iterations():
    # Every third group finishes: 66 or 67 of 100 are lost.
    crew = FakeCrew(broken=set(range(1000)) - set(range(0, 1000, 3)))
    sampler, tasks = make_sampler(crew, max_lost_rate=0.5), stream()

    def train(num_iterations):
        for _ in range(num_iterations):
            sampler.sample(tasks.draw, 4, weight_version=0)

    train(5)
    with pytest.raises(RolloutError, match=r"51 of the last \d+ groups"):
        train(45)
    assert 51 < num_played(crew) <= 80


def test_each_kind_of_fault_is_warned_of_once():
    sampler, tasks = make_sampler(FakeCrew(broken={0, 1, 5})), stream()
    sampler.sample(tasks.draw, 3, weight_version=0)
    assert sampler.take_warnings() == {"step": "a group was lost (step): broke"}
    sampler.sample(tasks.draw, 3, weight_version=0)
    assert sampler.take_warnings() == {}


def test_one_incident_may_cost_more_groups_than_the_window_has():
    crew = FakeCrew(broken=range(256), kind="worker")
    assert len(sample(crew, stream().draw, 256).groups) == 256
    assert num_played(crew) == 512


@pytest.mark.fault("B9", promise="An environment that always hangs ends the run after six limits.")
def test_incidents_that_cost_all_groups_six_times_in_a_row_stop(monkeypatch):
    monkeypatch.setattr(fault_bound, "_SAME_INCIDENT_S", 0.0)
    crew = FakeCrew(broken=range(1000), kind="timeout")
    with pytest.raises(RolloutError, match=r"6 times in a row.*4 x timeout.*broke"):
        sample(crew, stream().draw, 4)
    assert num_played(crew) == 24


def test_an_outage_that_hangs_many_players_is_one_incident():
    class Outage(FakeCrew):
        def collect(self, *, timeout_s):
            arrivals = super().collect(timeout_s=timeout_s)
            self.broken = set(range(20)) if sum(map(len, self.played.values())) < 40 else set()
            return arrivals

    result = sample(Outage(10, broken=range(20), kind="timeout"), stream().draw, 20)
    assert len(result.groups) == 20
    assert len(result.lost) == 20


def test_somebody_tends_to_the_players_in_training_and_evaluation():
    tended = []
    queue = GroupQueue(FakeCrew(), max_concurrent_episodes=None, overdue_s=100.0)
    sampler = GroupSampler(queue, max_lost_rate=0.99, tend=lambda: tended.append(None))
    sampler.sample(stream().draw, 2, weight_version=0)
    assert len(tended) == 2
    tasks = EvaluationTasks(range(100, 103), SamplingSettings())
    sampler.sample_fixed(tasks.group_tasks(), weight_version=0)
    assert len(tended) == 5


def test_a_rate_of_one_never_stops():
    crew = FakeCrew(broken=range(500))
    result = sample(crew, stream().draw, 4, max_lost_rate=1.0)
    assert seeds(result) == [500, 501, 502, 503]


def test_an_evaluation_goes_on_without_a_task_that_cannot_be_played():
    crew = FakeCrew(broken={101})
    result = sample_fixed(crew, EvaluationTasks(range(100, 103), SamplingSettings()))
    assert seeds(result) == [100, 102]
    assert [lost.task.seed for lost in result.lost] == [101] * MAX_ATTEMPTS


def test_an_evaluation_of_which_nothing_can_be_played_is_an_error():
    with pytest.raises(RolloutError, match="broke"):
        sample_fixed(
            FakeCrew(broken=range(1000)), EvaluationTasks(range(100, 103), SamplingSettings())
        )


def test_an_iteration_that_takes_long_tells_its_warnings_before_its_end():
    told, times = list[str](), iter([0.0, 5.0, 5.0, 11.0, 12.0])
    bound = fault_bound.FaultBound(max_rate=1.0, clock=lambda: next(times), tell=told.append)
    task = GroupTask(0, 0, 1, SamplingSettings(max_tokens=8))
    bound.note(SampleResult(lost=[LostGroup(task, "step", "broke")]))
    bound.note(SampleResult())
    assert told == []
    bound.note(SampleResult())
    bound.note(SampleResult())
    assert told == ["a group was lost (step): broke"]
    assert bound.take_warnings() == {"step": "a group was lost (step): broke"}
