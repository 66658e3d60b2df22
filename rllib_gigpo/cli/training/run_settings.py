"""The options of ``rllib train`` as a record, which the run with Tune and the dry run read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.ray_session import RaySettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How to run an experiment: the options of ``rllib train``."""

    stop: Mapping[str, Any] | None = None  # None: that of the experiment
    settings: Sequence[tuple[str, Any]] = ()  # (name, value) set on the config
    checkpoint_freq: int = 10  # in iterations; 0: none during the run
    checkpoint_at_end: bool = True
    keep_checkpoints: int = 2
    resume: Path | None = None
    output: Path | None = None  # None: Ray's ~/ray_results
    experiment_name: str | None = None
    dry_run: bool = False
    ray: RaySettings = field(default_factory=RaySettings)
