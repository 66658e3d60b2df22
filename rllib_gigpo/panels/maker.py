"""Makes panels: starts every task here, and stores the hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Panel
from rllib_gigpo.panels.panel_environment import started_here, version_of
from rllib_gigpo.panels.played_task import check_starts
from rllib_gigpo.panels.task_start import file_digests, split_paths


def with_starts(panel: Panel, local: Mapping[str, Any]) -> Panel:
    """Start the tasks of a panel in this process, and add the hashes that it lacks.

    Args:
        panel: The panel; hashes that it has are checked.
        local: Settings of the environment that name files or folders of this machine.

    Raises:
        PanelError: A task cannot be started, or starts in another way than the panel says.
        EnvContractError: The environment cannot be made.
    """
    _, paths = split_paths(local)
    for name in local.keys() - paths.keys():
        raise PanelError(
            f"{name}={local[name]!r} names no file or folder that is here. Other settings of the"
            " environment are part of the panel: make another panel with --env and --env-config."
        )
    try:
        tasks = started_here(
            panel.env, {**panel.env_config, **paths}, [task.seed for task in panel.tasks]
        )
    except ContractViolationError as error:
        raise PanelError(f"{panel.env} breaks the contract: {error}") from error
    check_starts(panel, tasks)
    return panel.model_copy(
        update={
            "env_version": version_of(panel.env),
            "data_files": {**panel.data_files, **file_digests(paths)},
            "tasks": tuple(tasks),
        }
    )
