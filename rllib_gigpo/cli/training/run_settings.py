"""How an experiment is run: the options of ``rllib train`` as a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.ray_session import RaySettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How an experiment is run; the options of ``rllib train``."""

    stop: Mapping[str, Any] | None = None  # None: the experiment's own
    settings: Sequence[tuple[str, Any]] = ()  # (name, value) set on the config
    checkpoint_freq: int = 10  # in iterations; 0: none on the way
    checkpoint_at_end: bool = True
    keep_checkpoints: int = 2
    resume: Path | None = None
    output: Path | None = None  # None: Ray's ~/ray_results
    experiment_name: str | None = None
    dry_run: bool = False
    ray: RaySettings = field(default_factory=RaySettings)
