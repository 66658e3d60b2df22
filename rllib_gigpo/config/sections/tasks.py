"""Settings of the environment seeds for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import PositiveInt

from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.options.section import Section, setting


class TaskSection(Section):
    """Settings of `GiGPOConfig.tasks`."""

    num_train_tasks: PositiveInt | None = setting(
        None, "Number of consecutive seeds to train on, each once per pass; None for no limit."
    )
    first_train_task: int = setting(0, "Lowest training seed.")
    task_period: PositiveInt = setting(
        1, "Number of seeds after which the kinds of tasks repeat (sum of a mixture's shares)."
    )
    num_test_tasks: PositiveInt = setting(128, "Number of seeds to evaluate on, one episode each.")
    first_test_task: int = setting(FIRST_TEST_SEED, "Lowest test seed.")
    max_episode_steps: PositiveInt = setting(50, "Longer episodes are truncated.")


def whole_passes(num_train_tasks: int | None, task_period: int) -> Iterator[str]:
    """Check that each pass has the same number of tasks of every kind."""
    number = num_train_tasks or 0
    if number % task_period:
        whole = max(number - number % task_period, task_period)
        yield f"num_train_tasks={number} must be a multiple of {task_period=}; set it to {whole}"


def disjoint(
    num_train_tasks: int | None, first_train_task: int, num_test_tasks: int, first_test_task: int
) -> Iterator[str]:
    """Check that no task is both a training and a test task."""
    test = range(first_test_task, first_test_task + num_test_tasks)
    # Without a limit, training counts upwards and may stay below the test tasks.
    train = range(first_train_task, first_train_task + (num_train_tasks or 1))
    if train[0] <= test[-1] and test[0] <= train[-1]:
        yield (
            f"training tasks {train[0]}..{train[-1]} and test tasks {test[0]}..{test[-1]} overlap;"
            " move one of the two ranges"
        )


CHECKS = (whole_passes, disjoint)
