"""The environment of a panel on this machine, and what its tasks look like here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import gymnasium as gym

from rllib_gigpo.env_runner.env_source import EnvSource, is_fault
from rllib_gigpo.envs.catalogue import CATALOGUE
from rllib_gigpo.envs.response_fence import read_reset
from rllib_gigpo.errors import EnvContractError, PanelError
from rllib_gigpo.panels.panel import Panel, PanelTask
from rllib_gigpo.panels.task_start import file_digests, local_paths, split_paths, started_task


def panel_environment(panel: Panel, local: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the id and the settings of a panel's environment on this machine.

    Args:
        panel: The panel.
        local: Settings that name its files on this machine; see `local_paths`.

    Raises:
        PanelError: A setting does not belong here, or a file is missing or another one.
    """
    paths = local_paths(panel, local)
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


def evaluation_environment(panel: Panel, config: Any) -> tuple[str, dict[str, Any]]:
    """Return the environment of a panel for a run, whose config may say where its files lie.

    Only a run on the panel's own environment does; its other settings are not the panel's.
    """
    if config.env != panel.env:
        return panel_environment(panel, {})
    _, paths = split_paths(config.env_config or {})
    own = {name: path for name, path in paths.items() if name not in panel.env_config}
    return panel_environment(panel, own)


def started_here(env: str, env_config: Mapping[str, Any], seeds: Iterable[int]) -> list[PanelTask]:
    """Start tasks in this process, and describe how they start.

    Args:
        env: Gymnasium id.
        env_config: Settings of the environment.
        seeds: The tasks.

    Raises:
        EnvContractError: The environment cannot be made, or a task cannot be started.
    """
    source = EnvSource(env, env_config)
    made = source.make()
    try:
        return [started_in(made, seed) for seed in seeds]
    finally:
        source.close(made)


def started_in(env: gym.Env, seed: int) -> PanelTask:
    """Start a task in an environment, and describe how it starts.

    Raises:
        EnvContractError: It cannot be started.
    """
    try:
        return started_task(seed, *read_reset(env.reset(seed=seed)))
    except PanelError:
        raise
    except BaseException as error:  # an environment may raise anything
        if not is_fault(error):
            raise
        raise EnvContractError(
            f"The environment failed in reset(seed={seed}): {type(error).__name__}: {error}"
        ) from error


def version_of(env: str) -> str:
    """Name the versions of the packages that an environment's tasks come from."""
    entry = next((one for one in CATALOGUE if one.id == env), None)
    own = [] if entry else [env.partition(":")[0].partition(".")[0]]
    packages = ["rllib-gigpo", *(entry.modules if entry else own), "gymnasium", "numpy"]
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue  # a module whose distribution has another name
    return ", ".join(versions)
