"""Makes panels: starts every task here, and stores the hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Panel
from rllib_gigpo.panels.panel_environment import started_here, version_of
from rllib_gigpo.panels.played_task import check_starts
from rllib_gigpo.panels.task_start import file_digests, local_paths


def with_starts(panel: Panel, local: Mapping[str, Any]) -> Panel:
    """Start the tasks of a panel in this process, and add the hashes that it lacks.

    Args:
        panel: The panel; hashes that it has are checked.
        local: Settings of the environment that name files or folders of this machine.

    Raises:
        PanelError: A setting is no path, or a task starts in another way than before.
        EnvContractError: The environment cannot be made, or a task cannot be started.
    """
    paths = local_paths(panel, local)
    env_config = {**panel.env_config, **paths}
    seeds = [task.seed for task in panel.tasks]
    *tasks, again = started_here(panel.env, env_config, [*seeds, seeds[0]])
    check_starts(panel, tasks)
    if again != tasks[0]:
        raise PanelError(
            f"{panel.env} started {tasks[0].label} in two ways, so no panel can be made of it;"
            " reset() must depend on its seed only. `rllib check-env` shows more."
        )
    return panel.model_copy(
        update={
            "env_version": version_of(panel.env),
            "data_files": {**panel.data_files, **file_digests(paths)},
            "tasks": tuple(tasks),
        }
    )
