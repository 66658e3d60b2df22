"""Tasks: equal seeds give equal tasks, and a resumed stream continues where it stopped."""

from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.sampling.evaluation import EvaluationTasks
from rllib_gigpo.sampling.training_tasks import TaskStream

SAMPLING = SamplingSettings(max_tokens=7)
GREEDY = SamplingSettings(temperature=0.0)


def make_stream(**settings):
    return TaskStream(group_size=5, sampling=SAMPLING, **settings)


def seeds(stream, num_groups):
    return [task.seed for task in stream.draw(num_groups)]


def test_every_pass_plays_each_task_once_in_an_order_of_its_own():
    stream = make_stream(first_task=100, num_tasks=16, seed=3)
    first, second = seeds(stream, 16), seeds(stream, 16)
    assert sorted(first) == sorted(second) == list(range(100, 116))
    assert first != second


def test_with_a_period_every_so_many_draws_hold_a_task_of_each_kind():
    stream = make_stream(first_task=10, num_tasks=12, seed=3, period=3)
    drawn = seeds(stream, 24)
    assert sorted(drawn[:12]) == sorted(drawn[12:]) == list(range(10, 22))
    assert drawn[:12] != drawn[12:]
    assert drawn[:12] != list(range(10, 22))
    assert [(seed - 10) % 3 for seed in drawn] == [0, 1, 2] * 8


def test_the_same_seed_gives_the_same_tasks_and_another_seed_others():
    draws = [seeds(make_stream(first_task=0, num_tasks=32, seed=seed), 32) for seed in (7, 7, 8)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_a_stream_cut_in_two_draws_what_an_uncut_one_draws():
    uncut = make_stream(first_task=0, num_tasks=10, seed=1)
    expected = uncut.draw(27)
    first = make_stream(first_task=0, num_tasks=10, seed=1)
    drawn = first.draw(13)
    second = make_stream(first_task=0, num_tasks=10, seed=1)
    second.set_state(first.get_state())
    assert drawn + second.draw(14) == expected


def test_group_numbers_never_repeat():
    stream = make_stream(first_task=0, num_tasks=4, seed=0)
    assert [task.group_id for task in stream.draw(10)] == list(range(10))


def test_a_task_says_how_it_is_played():
    (task,) = make_stream(first_task=0, num_tasks=None, seed=0).draw(1)
    assert (task.group_size, task.sampling, task.is_training) == (5, SAMPLING, True)
    (test,) = EvaluationTasks(range(50, 51), GREEDY).group_tasks()
    assert (test.group_size, test.sampling, test.is_training) == (1, GREEDY, False)


def test_no_group_of_evaluation_has_the_number_of_one_of_training():
    stream = make_stream(first_task=0, num_tasks=None, seed=0)
    tests = EvaluationTasks(range(50, 53), GREEDY).group_tasks()
    assert [task.group_id for task in tests] == ["test-0", "test-1", "test-2"]
    assert {str(task.group_id) for task in stream.draw(100)} == {str(n) for n in range(100)}


def test_without_a_bound_the_seeds_count_upwards():
    assert seeds(make_stream(first_task=5, num_tasks=None, seed=0), 4) == [5, 6, 7, 8]


def test_evaluation_has_all_tasks():
    tasks = EvaluationTasks(range(50, 53), GREEDY)
    assert [task.seed for task in tasks.group_tasks()] == [50, 51, 52]
