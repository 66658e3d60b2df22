"""The environment of a panel on this machine, and what its tasks look like here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.envs.catalogue import CATALOGUE
from rllib_gigpo.envs.response_fence import read_reset
from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Panel, PanelTask, load_panel
from rllib_gigpo.panels.task_start import file_digests, split_paths, started_task


def panel_environment(
    source: str | Path | Mapping[str, Any] | Panel, local: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the id and the settings of a panel's environment on this machine.

    Args:
        source: The panel; see `load_panel`.
        local: Settings of which those that name files or folders are taken.

    Raises:
        PanelError: A file is missing, or differs from the panel's.
    """
    panel = load_panel(source)
    _, paths = split_paths(local)
    found = file_digests(paths)
    for name, digest in panel.data_files.items():
        if name not in found:
            raise PanelError(
                f"The panel {panel.label} needs the data file of the setting {name!r}; give it"
                f""" with --env-config '{{"{name}": "FILE"}}'"""
            )
        if found[name] != digest:
            raise PanelError(
                f"The data file {paths[name]} ({name}) differs from that of the panel"
                f" {panel.label}: its hash is {found[name]} instead of {digest}. Use the same"
                " data, or make a new version with `rllib panel make`."
            )
    return panel.env, {**panel.env_config, **paths}


def started_here(env: str, env_config: Mapping[str, Any], seeds: Iterable[int]) -> list[PanelTask]:
    """Start tasks in this process, and describe how they start.

    Args:
        env: Gymnasium id.
        env_config: Settings of the environment.
        seeds: The tasks.

    Raises:
        EnvContractError: The environment cannot be made.
        ContractViolationError: It breaks the contract.
    """
    source = EnvSource(env, env_config)
    made = source.make()
    try:
        return [started_task(seed, *read_reset(made.reset(seed=seed))) for seed in seeds]
    finally:
        source.close(made)


def version_of(env: str) -> str:
    """Name the versions of the packages that an environment's tasks come from."""
    entry = next((one for one in CATALOGUE if one.id == env), None)
    packages = ["rllib-gigpo", *(entry.modules if entry else ())]
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue  # a module whose distribution has another name
    return ", ".join(versions)
