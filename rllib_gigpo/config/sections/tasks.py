"""Settings of the environment seeds for training and evaluation."""

from __future__ import annotations

from pydantic import PositiveInt

from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.sampling.training_tasks import disjoint, whole_passes


class TaskSection(Section):
    """Settings of `GiGPOConfig.tasks`."""

    num_train_tasks: PositiveInt | None = setting(None, "Seeds of a pass; None for no limit.")
    first_train_task: int = setting(0, "Lowest training seed.")
    task_period: PositiveInt = setting(
        1, "Number of seeds after which the kinds of tasks repeat (sum of a mixture's shares)."
    )
    num_test_tasks: PositiveInt = setting(128, "Number of seeds to evaluate on, one episode each.")
    first_test_task: int = setting(FIRST_TEST_SEED, "Lowest test seed.")
    max_episode_steps: PositiveInt = setting(50, "Longer episodes are truncated.")


CHECKS = (whole_passes, disjoint)
