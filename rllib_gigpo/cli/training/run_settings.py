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
    # None: as in the run that is resumed, or the default
    checkpoint_freq: int | None = None  # in iterations; 0: none during the run
    checkpoint_at_end: bool | None = None
    keep_checkpoints: int | None = None
    max_failures: int = 0  # times that a failed trial goes on from its newest checkpoint
    resume: Path | None = None
    output: Path | None = None  # None: Ray's ~/ray_results
    experiment_name: str | None = None
    dry_run: bool = False
    gpu_gb: float = 80.0  # memory of a GPU, for the dry run
    ray: RaySettings = field(default_factory=RaySettings)
