"""What a run was started with, kept in its folder, so that a resumed run can tell what changed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from rllib_gigpo.checkpoints.run_description import is_json
from rllib_gigpo.cli.experiment import Experiment
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.config.search_space import is_searched
from rllib_gigpo.installation import run_versions
from rllib_gigpo.reports.results import VERSIONS_FILE

# Not "*.json": Tune copies those files from the start of a resumed run over later ones.
RECORD_FILE = "rllib_run.jsonl"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The plain values of the experiment file and of the options when a run started."""

    config: Mapping[str, Any]  # settings that JSON can hold, without those that are searched
    given: tuple[str, ...]  # names set with --set
    stop: Mapping[str, Any]  # of the file

    @classmethod
    def of(cls, experiment: Experiment, settings: RunSettings) -> RunRecord:
        """Return the record of an experiment to which the options are already applied."""
        names = tuple(name.split(".")[0] for name, _ in settings.settings)
        return cls(plain_settings(experiment.config.to_dict()), names, dict(experiment.stop))

    def write(self, run_folder: Path) -> None:
        """Write the record to the folder of a run; after a failure, the earlier one is there."""
        replace_text(run_folder / RECORD_FILE, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, run_folder: Path) -> RunRecord | None:
        """Read the record of a run; None if it has none, or a torn one."""
        try:
            content = json.loads((run_folder / RECORD_FILE).read_bytes())
            return cls(content["config"], tuple(content["given"]), content["stop"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def changes(self, earlier: RunRecord | None) -> Iterator[str]:
        """Yield the plain settings that the user changed since a run started.

        A setting given now counts. One that the file changed counts, unless it was given when the
        run started: then the option was only not repeated.

        Args:
            earlier: The record of the start; None if it is unknown.
        """
        for name, value in self.config.items():
            if name in self.given or (earlier is not None and earlier._differs(name, value)):
                yield name

    def _differs(self, name: str, value: Any) -> bool:
        is_same = name in self.config and self.config[name] == value
        return name not in self.given and not is_same


def objects_of(config: Mapping[str, Any]) -> list[str]:
    """Return the settings that are Python objects, such as classes, and not of a search."""
    return [
        name
        for name, value in config.items()
        if not is_json(value) and not is_searched({name: value})
    ]


def replace_text(file: Path, text: str) -> None:
    """Write a file aside and rename it; after a failure, the earlier file is there."""
    aside = file.with_suffix(".partial")
    try:
        aside.write_text(text)
        os.replace(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that JSON can hold, as JSON holds them, without those of a search."""
    return {
        name: json.loads(json.dumps(value))
        for name, value in config.items()
        if is_json(value) and not is_searched({name: value})
    }


class RecordCallback(tune.Callback):
    """A Tune callback that writes the record and the packages' versions when a trial starts."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Write both; a run on a full disk goes on without them."""
        folder = Path(trial.path)
        with contextlib.suppress(OSError):
            self._record.write(folder.parent)
            folder.mkdir(exist_ok=True)
            replace_text(folder / VERSIONS_FILE, json.dumps(run_versions(), indent=2) + "\n")
