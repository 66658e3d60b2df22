"""The Ray session of a command, and how much of Ray's output the command shows."""

import argparse
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.module_folders import worker_hook
from rllib_gigpo.errors import ConfigError


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
        help="address of a running cluster (default: start Ray on this machine)",
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
def ray_session(settings: RaySettings) -> Iterator[None]:
    """Start Ray or connect to a running cluster; reuse a session that the caller has started.

    Raises:
        ConfigError: An address is given with numbers of CPUs or GPUs, which need a new cluster.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    sizes = {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus}
    if settings.address and any(size is not None for size in sizes.values()):
        raise ConfigError(
            "--ray-num-cpus and --ray-num-gpus have no effect on a running cluster; leave them out "
            "or drop --ray-address"
        )
    if settings.verbosity == 0:
        _hide_advice_on_rllib()
    ray.init(
        address=settings.address,
        log_to_driver=settings.verbosity > 0,
        logging_level=logging.INFO if settings.verbosity > 0 else logging.WARNING,
        runtime_env=_runtime_env(settings.module_folder),
        **({} if settings.address else {**sizes, "include_dashboard": False}),
    )
    try:
        yield
    finally:
        ray.shutdown()


def _runtime_env(module_folder: Path | None) -> dict[str, Any] | None:
    """Return the runtime environment that lets workers import from a folder; None if not needed.

    Workers search the current folder anyway, and a runtime environment delays their start. A folder
    in PYTHONPATH would come before the installed packages.
    """
    if module_folder is None or module_folder.resolve() == Path.cwd():
        return None
    return {"worker_process_setup_hook": worker_hook(module_folder)}


def _hide_advice_on_rllib() -> None:
    """Hide warnings of Ray 2.60 that users cannot act on: this package fixes the API stack."""
    for name in ("algorithms.algorithm_config", "core.rl_module.rl_module"):
        logging.getLogger(f"ray.rllib.{name}").setLevel(logging.ERROR)
