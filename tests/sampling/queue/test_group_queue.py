"""The queue of groups: room, slow and failing players, copies, statistics."""

import pytest
from sampling.fake_crew import FakeCrew

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.sampling.queue.crew import Arrival
from rllib_gigpo.sampling.queue.group_queue import GroupQueue


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def tasks(number, group_size=2):
    return [GroupTask(index, index, group_size, SamplingSettings()) for index in range(number)]


def make_queue(crew, *, bound=None, overdue_s=100.0, clock=None, stuck_s=None):
    return GroupQueue(
        crew,
        max_concurrent_episodes=bound,
        overdue_s=overdue_s,
        stuck_s=stuck_s,
        clock=clock or Clock(),
    )


def advance(queue):
    result = queue.advance(weight_version=0, timeout_s=0.0)
    return [group.task.seed for group in result.groups]


def play_all(queue):
    seeds = []
    while queue.num_open:
        seeds += advance(queue)
    return seeds


def test_without_a_bound_players_get_equal_shares_at_once():
    crew = FakeCrew(3)
    queue = make_queue(crew)
    queue.put(tasks(7))
    advance(queue)
    assert crew.played == {1: [0, 3, 6], 2: [1, 4], 3: [2, 5]}
    assert queue.num_waiting == 0


def test_a_player_gets_what_it_can_play_at_a_time_and_one_more():
    crew = FakeCrew(2)
    crew.asleep = {1, 2}
    queue = make_queue(crew, bound=4)  # two groups of two at a time
    queue.put(tasks(10))
    advance(queue)
    assert crew.played == {1: [0, 2, 4], 2: [1, 3, 5]}
    assert queue.num_waiting == 4


def test_episodes_that_have_finished_leave_room_for_another_group():
    crew = FakeCrew(1)
    crew.asleep = {1}
    queue = make_queue(crew, bound=4)
    queue.put(tasks(10, group_size=4))
    advance(queue)
    assert crew.played == {1: [0, 1]}
    for num_left, played in (({0: 1, 1: 4}, [0, 1]), ({1: 4}, [0, 1, 2])):
        crew.tells = Arrival(1, num_left={0: 0, **num_left})
        advance(queue)
        advance(queue)
        assert crew.played == {1: played}


def test_the_last_groups_wait_for_a_free_slot():
    crew = FakeCrew(2)
    crew.asleep = {1, 2}
    queue = make_queue(crew, bound=4)
    queue.put(tasks(4, group_size=4))
    advance(queue)
    assert crew.played == {1: [0], 2: [1]}
    crew.tells = Arrival(2, num_left={1: 3})
    advance(queue)
    advance(queue)
    assert crew.played == {1: [0], 2: [1, 2]}


def test_an_overdue_copy_does_not_hold_up_what_waits():
    clock, crew = Clock(), FakeCrew(2)
    crew.asleep = {1, 2}
    queue = make_queue(crew, overdue_s=10.0, clock=clock)
    queue.put(tasks(1))
    advance(queue)
    clock.now = 11.0
    advance(queue)
    assert crew.played == {1: [0], 2: [0]}
    queue.put([GroupTask(1, 1, 2, SamplingSettings())])
    advance(queue)
    assert crew.played == {1: [0, 1], 2: [0]}


def test_a_group_larger_than_the_bound_is_handed_out_too():
    crew = FakeCrew(1)
    queue = make_queue(crew, bound=2)
    queue.put(tasks(3, group_size=8))
    assert play_all(queue) == [0, 1, 2]


def test_a_slow_player_delays_only_its_own_groups():
    crew = FakeCrew(2)
    queue = make_queue(crew, bound=2)
    queue.put(tasks(10))
    crew.asleep = {1}
    seeds = [seed for _ in range(20) for seed in advance(queue)]
    assert crew.played[1] == [0, 2]  # one that it plays and one more
    assert sorted(seeds) == [1, *range(3, 10)]
    crew.asleep = set()
    assert sorted(play_all(queue)) == [0, 2]


def test_an_overdue_group_goes_to_an_idle_player_too_and_the_first_copy_counts():
    clock, crew = Clock(), FakeCrew(2)
    queue = make_queue(crew, bound=2, overdue_s=10.0, clock=clock)
    queue.put(tasks(6))
    crew.asleep = {1}
    while crew.held[2] or queue.num_waiting:
        advance(queue)
    assert crew.held[1] == tasks(6)[:3:2]
    advance(queue)
    assert crew.played[2] == [1, 3, 4, 5]  # not overdue yet
    clock.now = 11.0
    assert advance(queue) == [0]
    assert crew.dropped == [(1, 0)]
    clock.now = 22.0
    assert advance(queue) == [2]
    assert queue.num_open == 0
    assert crew.held[1] == []


def test_the_late_copy_of_a_group_is_ignored():
    clock, crew = Clock(), FakeCrew(2)
    queue = make_queue(crew, bound=2, overdue_s=10.0, clock=clock)
    queue.put(tasks(1))
    crew.asleep = {1}
    advance(queue)
    clock.now = 11.0
    late = list(crew.held[1])
    assert advance(queue) == [0]
    crew.held[1], crew.asleep = late, set()  # it had finished before it was told
    assert advance(queue) == []


def test_groups_of_a_failed_player_are_played_by_another_one_first():
    crew = FakeCrew(2)
    queue = make_queue(crew, bound=2)
    queue.put(tasks(6))
    crew.faults = {1: ("runner", "EnvRunner 1 died")}
    result = queue.advance(weight_version=0, timeout_s=0.0)
    assert [one.task.seed for one in result.moved] == [0, 2]
    assert result.lost == []
    crew.away = {1}
    assert play_all(queue) == [3, 0, 2, 4, 5]


def test_a_group_that_fails_two_players_is_lost():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    queue.put(tasks(1))
    crew.faults = {1: ("runner", "EnvRunner 1 died")}
    queue.advance(weight_version=0, timeout_s=0.0)
    crew.away, crew.faults = {1}, {2: ("runner", "EnvRunner 2 died")}
    result = queue.advance(weight_version=0, timeout_s=0.0)
    assert [(one.kind, one.message) for one in result.lost] == [("runner", "EnvRunner 2 died")]
    assert queue.num_open == 0


def test_a_silent_players_groups_are_dropped_there_and_played_elsewhere():
    crew = FakeCrew(2)
    queue = make_queue(crew, bound=2)
    queue.put(tasks(2))
    crew.asleep = {1}
    assert advance(queue) == [1]
    crew.away = {1}
    assert advance(queue) == [0]
    assert crew.dropped == [(1, 0)]


def test_a_group_that_was_taken_back_still_counts_if_it_arrives_first():
    crew = FakeCrew(2)
    queue = make_queue(crew, bound=2)
    queue.put(tasks(6))
    crew.asleep = {1, 2}
    advance(queue)
    held = list(crew.held[1])
    crew.away = {1}
    advance(queue)  # 0 and 2 wait again, because 2 has no room
    crew.held[1], crew.asleep, crew.away = held[:1], {2}, set()
    assert advance(queue) == [0]
    crew.asleep = set()
    assert sorted(play_all(queue)) == [1, 2, 3, 4, 5]


def test_seconds_are_those_of_the_busiest_player_and_steps_add_up():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    queue.put(tasks(5))
    play_all(queue)
    stats = queue.take_stats()
    assert (stats.num_steps, stats.seconds) == (5, 3.0)
    assert queue.take_stats().num_steps == 0


def test_a_player_that_finishes_nothing_is_ended():
    clock, crew = Clock(), FakeCrew(2)
    queue = make_queue(crew, clock=clock, stuck_s=10.0)
    queue.put(tasks(2))
    crew.asleep = {1}
    assert advance(queue) == [1]
    clock.now = 11.0
    result = queue.advance(weight_version=0, timeout_s=0.0)
    (moved,) = result.moved
    assert "did not finish a group within 10 s (config.env_runners(sample_tim" in moved.message
    crew.away = {1}
    assert play_all(queue) == [0]


def test_a_hanging_environment_costs_its_groups_at_once():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    queue.put(tasks(2))
    crew.faults = {1: ("timeout", "step() has not answered")}
    result = queue.advance(weight_version=0, timeout_s=0.0)
    assert [one.task.seed for one in result.lost] == [0]
    assert result.moved == []


def test_a_hang_that_shows_after_the_group_was_taken_back_costs_it_everywhere():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    crew.asleep = {1, 2}
    queue.put(tasks(1))
    advance(queue)
    crew.away = {1}  # it is silent
    advance(queue)
    assert crew.played == {1: [0], 2: [0]}
    crew.faults = {1: ("timeout", "step 3 hangs")}
    result = queue.advance(weight_version=0, timeout_s=0.0)
    assert [lost.message for lost in result.lost] == ["step 3 hangs"]
    assert (2, 0) in crew.dropped
    assert queue.num_open == 0


def test_a_player_that_dies_after_it_was_passed_over_has_failed_with_its_groups():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    crew.asleep = {1, 2}
    queue.put(tasks(1))
    advance(queue)
    crew.away = {1}
    advance(queue)
    crew.faults = {1: ("runner", "it died"), 2: ("runner", "it died too")}
    result = queue.advance(weight_version=0, timeout_s=0.0)
    assert [lost.message for lost in result.lost] == ["it died too"]


def test_idle_seconds_are_those_of_all_players():
    clock, crew = Clock(), FakeCrew(3)
    queue = make_queue(crew, clock=clock)
    queue.put(tasks(2))
    play_all(queue)
    clock.now = 10.0
    assert queue.take_stats().idle_s == 9.0 + 9.0 + 10.0


def test_a_late_answer_of_an_earlier_evaluation_does_not_count():
    crew = FakeCrew(2)
    queue = make_queue(crew)
    again = [GroupTask("test-0", 50, 1, SamplingSettings(), is_training=False) for _ in range(2)]
    queue.put(again[:1])
    crew.asleep = {1, 2}
    advance(queue)
    late = list(crew.held[1])
    queue.clear()
    queue.put(again[1:])
    crew.away = {1}
    advance(queue)
    crew.held[1], crew.asleep, crew.away = late, {2}, set()
    assert advance(queue) == []
    crew.asleep = set()
    assert advance(queue) == [50]


def test_clearing_ends_what_is_played():
    crew = FakeCrew(2)
    crew.asleep = {1, 2}
    queue = make_queue(crew, bound=2)
    queue.put(tasks(6))
    advance(queue)
    queue.clear()
    assert queue.num_open == queue.num_waiting == 0
    assert sorted(crew.dropped) == [(1, 0), (1, 2), (2, 1), (2, 3)]


@pytest.mark.parametrize("num_players", [1, 2, 3, 7])
@pytest.mark.parametrize("bound", [None, 1, 4, 100])
def test_every_group_is_played_once(num_players, bound):
    crew = FakeCrew(num_players)
    queue = make_queue(crew, bound=bound)
    queue.put(tasks(23))
    assert sorted(play_all(queue)) == list(range(23))
    assert sorted(seed for seeds in crew.played.values() for seed in seeds) == list(range(23))
