"""Settings of the environment seeds for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, PositiveInt

from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.panels.panel import Panel, load_panel
from rllib_gigpo.sampling.training_tasks import disjoint, whole_passes

AnyPanel = Annotated[Panel, BeforeValidator(load_panel)]


class TaskSection(Section):
    """Settings of `GiGPOConfig.tasks`."""

    num_train_tasks: PositiveInt | None = setting(None, "Seeds of a pass; None for no limit.")
    first_train_task: int = setting(0, "Lowest training seed.")
    task_period: PositiveInt = setting(
        1, "Number of seeds after which the kinds of tasks repeat (sum of a mixture's shares)."
    )
    num_test_tasks: PositiveInt = setting(128, "Number of seeds to evaluate on, one episode each.")
    first_test_task: int = setting(FIRST_TEST_SEED, "Lowest test seed.")
    panel: AnyPanel | None = setting(
        None, "Panel to evaluate on, a name or a file; None: the test seeds. docs/panels.md."
    )
    max_episode_steps: PositiveInt = setting(50, "Longer episodes are truncated.")


def hashed(panel: Panel | None) -> Iterator[str]:
    """Reject a panel whose tasks have no hashes, with which nothing could be compared."""
    if panel is not None and not panel.is_complete:
        yield (
            f"panel={panel.name!r} has no hashes of its tasks' starts yet; add those of your data"
            " with `rllib panel make`"
        )


CHECKS = (whole_passes, disjoint, hashed)
