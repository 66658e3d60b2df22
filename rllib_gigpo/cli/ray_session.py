"""The Ray session of a command, and how much of Ray's output the command shows.

A command starts its own cluster, whatever RAY_ADDRESS says and whatever runs on the machine, unless
it is told to join one.
"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.cluster.cluster_address import check_cluster
from rllib_gigpo.cli.cluster.cluster_keeper import ClusterKeeper
from rllib_gigpo.cli.cluster.cluster_token import usable_token
from rllib_gigpo.cli.cluster.death_watch import GivenDeath, LastWords, death_watch, own_death
from rllib_gigpo.cli.module_folders import worker_hook
from rllib_gigpo.cli.stop_signals import StoppedBySignal, handled_signals, raise_stop
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.ray_advice import show_advice


@dataclass(frozen=True, slots=True)
class RaySettings:
    """How a command starts Ray or connects to it: the options of the group "ray"."""

    address: str | None = None  # None: start Ray here
    num_cpus: int | None = None  # None: all
    num_gpus: int | None = None  # None: all
    verbosity: int = 0  # 1: what workers print; 2: Tune's reports too
    module_folder: Path | None = None  # workers also import from here


def add_ray_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--ray-address``, ``--ray-num-cpus``, ``--ray-num-gpus`` and ``-v`` to a parser."""
    group = parser.add_argument_group("ray")
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="join a running cluster: HOST:PORT, or auto for RAY_ADDRESS or the cluster of this "
        "machine (default: start Ray for this command, even if RAY_ADDRESS is set)",
    )
    for kind in ("cpus", "gpus"):
        group.add_argument(
            f"--ray-num-{kind}",
            metavar="N",
            type=int,
            help=f"number of {kind[:-1].upper()}s that Ray may use (default: all)",
        )
    group.add_argument(
        "-v",
        action="count",
        dest="verbosity",
        help="show what the workers print; -vv shows Tune's reports too",
    )


def ray_settings(args: argparse.Namespace) -> RaySettings:
    """Read the Ray settings from the parsed options."""
    return RaySettings(
        address=getattr(args, "ray_address", None),
        num_cpus=getattr(args, "ray_num_cpus", None),
        num_gpus=getattr(args, "ray_num_gpus", None),
        verbosity=getattr(args, "verbosity", None) or 0,
        module_folder=args.file.parent if hasattr(args, "file") else None,
    )


@contextlib.contextmanager
def ray_session(settings: RaySettings, *, last_words: LastWords = lambda: 1) -> Iterator[None]:
    """Start Ray or connect to a running cluster; reuse a session that the caller has started.

    If the cluster dies inside the block, the process ends with a sentence.

    Args:
        settings: The cluster to start or to join.
        last_words: Called before that end; returns the exit status.

    Raises:
        ConfigError: An address is given with numbers of CPUs or GPUs, which need a new cluster, or
            no cluster answers there, or Ray does not start.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    if settings.verbosity > 0:
        show_advice()
    session = _own_cluster if settings.address is None else _given_cluster
    # Ray has its own handlers, so set ours again: its C++ code prints its stack at SIGTERM.
    with session(settings, last_words), handled_signals(raise_stop):
        yield


@contextlib.contextmanager
def _own_cluster(settings: RaySettings, last_words: LastWords) -> Iterator[None]:
    """Start Ray on this machine, and end all its processes afterwards."""
    import ray

    if os.environ.get("RAY_ADDRESS"):
        print(
            f"rllib: RAY_ADDRESS={os.environ['RAY_ADDRESS']} is not used; to join that cluster, add"
            " --ray-address auto",
            file=sys.stderr,
        )
    keeper = ClusterKeeper()
    try:
        with usable_token():
            with keeper.hosting():
                _init(settings, "local", **_sizes(settings), include_dashboard=False)
            find_death = partial(own_death, ray._private.worker._global_node)
            with death_watch(find_death, last_words, interval_s=0.2):
                yield
    finally:
        ray.shutdown()
        keeper.end()


@contextlib.contextmanager
def _given_cluster(settings: RaySettings, last_words: LastWords) -> Iterator[None]:
    """Join a running cluster, and leave it afterwards."""
    import ray

    if any(size is not None for size in _sizes(settings).values()):
        raise ConfigError(
            "--ray-num-cpus and --ray-num-gpus have no effect on a running cluster; leave them out "
            "or drop --ray-address"
        )
    address = check_cluster(str(settings.address))
    _init(settings, address)
    try:
        with death_watch(GivenDeath(address), last_words, interval_s=1.0):
            yield
    finally:
        ray.shutdown()


def _init(settings: RaySettings, address: str, **options: Any) -> None:
    import ray

    try:
        ray.init(
            address=address,
            log_to_driver=settings.verbosity > 0,
            logging_level=logging.INFO if settings.verbosity > 0 else logging.WARNING,
            runtime_env=_runtime_env(settings.module_folder),
            **options,
        )
    except SystemExit as stop:  # from Ray's handler of SIGTERM
        raise StoppedBySignal(int(stop.code or 0)) from None
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where, hint = f"join the cluster at {address}", ""
        if address == "local":
            where = "start"
            folder = os.environ.get("RAY_TMPDIR", "/tmp")
            hint = f"its files and sockets are in {folder}, which RAY_TMPDIR changes; "
        raise ConfigError(
            f"Ray could not {where}: {type(error).__name__}: {error} ({hint}-v shows more)"
        ) from error


def _sizes(settings: RaySettings) -> dict[str, int | None]:
    return {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus}


def _runtime_env(module_folder: Path | None) -> dict[str, Any] | None:
    """Return the runtime environment that lets workers import from a folder; None if not needed.

    Workers search the current folder anyway, and a runtime environment delays their start. A folder
    in PYTHONPATH would come before the installed packages.
    """
    if module_folder is None or module_folder.resolve() == Path.cwd():
        return None
    return {"worker_process_setup_hook": worker_hook(module_folder)}
