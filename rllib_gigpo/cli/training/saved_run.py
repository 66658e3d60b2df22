"""Tune's record of a run, ``experiment_state-*.json``: read, corrected, and written again.

Tune (Ray 2.60) restores a run as the record says. After a fault the record is stale: it names
checkpoints that are torn, and it may hold the decision to stop that an interrupted save left.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.train._internal.checkpoint_manager import _CheckpointManager
from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint, CheckpointConfig
from ray.tune.experiment import Trial
from ray.tune.impl.placeholder import create_resolvers_map, inject_placeholders

from rllib_gigpo.checkpoints.finder import newest_checkpoint
from rllib_gigpo.checkpoints.torn_files import file_fault
from rllib_gigpo.cli.training.run_record import replace_text
from rllib_gigpo.reports.results import number

STATE_FILES = "experiment_state-*.json"
# Tune acts on these decisions after the next save.
_STALE_DECISIONS = ("_cached_trial_decisions", "_queued_trial_decisions")


class SavedTrial:
    """A trial in Tune's record, with the newest whole checkpoint in its folder.

    Attributes:
        trial: Tune's own object.
        folder: The trial's folder, which need not exist.
        newest: The newest whole checkpoint; None if there is none.
    """

    def __init__(self, state: str, metadata: str, run_folder: Path) -> None:
        """Read the two JSON texts that Tune keeps of a trial; this unpickles its config."""
        self.trial = Trial.from_json_state(state, stub=True)  # its class is not registered yet
        self.trial.restore_run_metadata(metadata)
        self.trial.stub = False
        self.folder = run_folder / (self.trial.storage.trial_dir_name or "not started")
        self.newest = newest_checkpoint(self.folder)

    def is_finished(self, stop: Mapping[str, Any]) -> bool:
        """Return whether the trial, or its newest checkpoint, has reached ``stop``."""
        reached = [result.metrics for result in self._results()[-1:]]
        if self.trial.status == Trial.TERMINATED:
            reached.append(self.trial.last_result)
        return any(_reaches(result, stop) for result in reached)

    def continue_with(
        self, settings: Mapping[str, Any], stop: Mapping[str, Any], checkpoints: CheckpointConfig
    ) -> None:
        """Let the trial go on from its newest whole checkpoint with changed settings.

        Tune keeps a copy of the config in which placeholders stand for Python objects, and fills in
        those of the file as it is now.
        """
        trial = self.trial
        trial.set_status(Trial.TERMINATED if self.is_finished(stop) else Trial.PENDING)
        trial.stopping_criterion = dict(stop)
        trial.config.update(settings)
        placeholders = inject_placeholders(dict(settings), create_resolvers_map())
        trial._Trial__unresolved_config.update(placeholders)
        results = self._results()
        trial.run_metadata.checkpoint_manager = _CheckpointManager(checkpoints)
        for result in results:
            trial.run_metadata.checkpoint_manager.register_checkpoint(result)
        if self.newest:  # the next checkpoint gets the next number
            number_text = self.newest.path.name.rpartition("_")[2]
            trial.storage.current_checkpoint_index = int(number_text)
        trial.run_metadata.error_filename = trial.run_metadata.pickled_error_filename = None

    def _results(self) -> list[_TrainingResult]:
        """Return the checkpoints up to the newest whole one, with the metrics that Tune knows."""
        if self.newest is None:
            return []
        known = self.trial.run_metadata.checkpoint_manager.best_checkpoint_results
        metrics = {Path(one.checkpoint.path).name: one.metrics for one in known}
        older = {name for name in metrics if name < self.newest.path.name}
        return [
            _TrainingResult(Checkpoint.from_directory(str(path)), metrics.get(path.name, {}))
            for path in (*(self.folder / name for name in sorted(older)), self.newest.path)
            if path.is_dir()
        ]


class SavedRun:
    """Tune's newest readable record of a run."""

    def __init__(self, run_folder: Path) -> None:
        """Read the record.

        Raises:
            ValueError: There is none, none is whole, or the code of the run is not here.
        """
        self._folder = run_folder
        name, self._state = _newest_state(run_folder)
        try:
            trials = self._state["trial_data"]
            self.trials = [SavedTrial(state, data, run_folder) for state, data in trials]
        except Exception as error:  # unpickling runs the code of the experiment
            raise ValueError(f"{name}: {type(error).__name__}: {error}") from error

    def write(self) -> None:
        """Write the corrected record, as the newest of the run."""
        self._state["runner_data"].update({name: {} for name in _STALE_DECISIONS})
        self._state["trial_data"] = [_json_state(saved.trial) for saved in self.trials]
        stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        stamped = self._folder / STATE_FILES.replace("*", stamp)
        target = max(stamped, *self._folder.glob(STATE_FILES))  # Tune reads the last by name
        replace_text(target, json.dumps(self._state))


def _newest_state(run_folder: Path) -> tuple[str, dict[str, Any]]:
    faults = []
    for file in sorted(run_folder.glob(STATE_FILES), reverse=True):
        fault = file_fault(file)
        state = None if fault else json.loads(file.read_bytes())
        if state and state.get("trial_data"):
            return file.name, state
        faults.append(f"{file.name} {fault or 'lists no trials'}")
    raise ValueError("; ".join(faults) or f"{STATE_FILES} is missing")


def _json_state(trial: Trial) -> tuple[str, str]:
    trial.invalidate_json_state()
    trial.run_metadata.invalidate_cache()
    state: tuple[str, str] = trial.get_json_state()
    return state


def _reaches(result: Mapping[str, Any], stop: Mapping[str, Any]) -> bool:
    values = {name: number(result, name) for name in stop}
    return any(value is not None and value >= stop[name] for name, value in values.items())
