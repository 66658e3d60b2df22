"""What ``--resume`` starts from: the folder of a run, or a checkpoint. Imports Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.air.constants import EXPR_RESULT_FILE
from ray.tune.experiment import Trial
from ray.tune.tune_config import ResumeConfig

from rllib_gigpo.checkpoints.finder import (
    all_faults,
    find_checkpoint,
    is_checkpoint,
    trials_in,
)
from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.cli.experiment import Experiment
from rllib_gigpo.cli.training.run_record import RECORD_FILE, RunRecord, objects_of
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.cli.training.saved_run import STATE_FILES, SavedRun, SavedTrial
from rllib_gigpo.config.search_space import is_searched
from rllib_gigpo.errors import CheckpointError, ConfigError


class ResumeGuard(tune.Callback):
    """A Tune callback that ends a run which Tune has started again from nothing.

    If Tune (Ray 2.60) cannot restore a run, it logs the exception and starts a new experiment.
    """

    def __init__(self, trial_ids: set[str], run_folder: Path) -> None:
        self._trial_ids = trial_ids
        self._run_folder = run_folder

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Raise a CheckpointError if no trial is known."""
        self.check(trials)

    def check(self, trials: Sequence[Trial]) -> None:
        """Raise a CheckpointError if no trial is known; a run without trials has no steps."""
        if self._trial_ids.isdisjoint(trial.trial_id for trial in trials):
            raise CheckpointError(
                f"--resume {self._run_folder}: Tune could not restore the run (-vv shows why); "
                "pass one of its checkpoints to --resume, which starts a new run from there"
            )


class Resumption:
    """How a run goes on.

    Attributes:
        place: Arguments of `tune.run`: name and folder of the run, and what to restore.
        stop: Metric values at which the run ends.
        guard: A Tune callback that watches the restoring; None if Tune does not restore.
    """

    def __init__(self, experiment: Experiment, settings: RunSettings, record: RunRecord) -> None:
        """Find what to go on from; Tune's record of a run is corrected on disk.

        Args:
            experiment: The experiment as its file and options say now.
            settings: The options, with ``resume``.
            record: The record of the experiment now.

        Raises:
            CheckpointError: There is no whole checkpoint to go on from.
            ConfigError: The run has already finished, or an option contradicts it.
        """
        assert settings.resume is not None
        self._experiment = experiment
        self._settings = settings
        self._record = record
        self._given = settings.resume
        self._folder = settings.resume.resolve()
        self.stop = dict(experiment.stop if settings.stop is None else settings.stop)
        self.guard: ResumeGuard | None = None
        self.place = self._place()

    def _place(self) -> dict[str, Any]:
        if not self._folder.is_dir():
            raise CheckpointError(f"--resume {self._given}: there is no such folder")
        if self._is_run():
            self._refuse_another_place()
            try:
                return self._place_of(SavedRun(self._folder))
            except ValueError as error:
                if isinstance(error, ConfigError):
                    raise
                return self._place_without_record(error)
        if self._folder not in trials_in(self._folder) and not is_checkpoint(self._folder):
            raise CheckpointError(
                f"--resume {self._given} is neither a run's folder (no {STATE_FILES}) "
                "nor an RLlib checkpoint; pass one of these"
            )
        found = find_checkpoint(self._folder)
        found.report()
        print(f"new run      it continues from {found.path}")
        return {"restore": str(found.path)}

    def _is_run(self) -> bool:
        """Return whether the folder is a run's, which holds trials; Tune's record may be lost."""
        if any(self._folder.glob(STATE_FILES)):
            return True
        if is_checkpoint(self._folder) or self._folder in (trials := trials_in(self._folder)):
            return False
        # Any folder may hold checkpoints; those of a run are in trials, with their results.
        return any((trial / EXPR_RESULT_FILE).exists() for trial in trials)

    def _place_of(self, run: SavedRun) -> dict[str, Any]:
        """Let the trials of a run go on in their folders."""
        self._refuse_another_search(run)
        earlier = RunRecord.read(self._folder)
        was_changed = earlier is not None and earlier.stop != self._experiment.stop
        if self._settings.stop is None and not was_changed:
            self.stop = dict(run.trials[0].trial.stopping_criterion)
        if all(saved.is_finished(self.stop) for saved in run.trials):
            raise ConfigError(
                f"{self._given}: this run has already finished; to continue, pass a larger --stop"
            )
        if not any(saved.newest for saved in run.trials):
            raise CheckpointError(_nothing_to_resume(self._given, run.trials))
        changes, objects = self._changes(earlier)
        for saved in run.trials:
            _report(saved, changes, objects)
            changed = {**objects, **changes}
            manager = saved.trial.run_metadata.checkpoint_manager
            checkpoints = checkpoint_config(self._settings, manager.checkpoint_config)
            saved.continue_with(changed, self.stop, checkpoints)
        self._write(run)
        ids = {saved.trial.trial_id for saved in run.trials}
        self.guard = ResumeGuard(ids, self._given)
        return {**self._own_place(), "resume_config": ResumeConfig()}

    def _changes(self, earlier: RunRecord | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the changed plain settings, and the file's Python objects as they are now.

        Whether an object has changed cannot be told, so those of the file always count.
        """
        config = self._experiment.config.to_dict()
        changes = {name: config[name] for name in self._record.changes(earlier)}
        if earlier is None:
            print(f"unknown      what the file has changed: {RECORD_FILE} is missing or torn;")
            print("             numbers and texts stay as in the run, unless --set changes them")
            return changes, {}
        names = (name for name in objects_of(config) if name not in earlier.given)
        return changes, {name: config[name] for name in names}

    def _write(self, run: SavedRun) -> None:
        try:
            run.write()
        except OSError as error:
            raise CheckpointError(
                f"--resume {self._given}: {error.strerror} ({disk_state(self._folder)}); make "
                "the folder writable, or free some space first"
            ) from error

    def _place_without_record(self, error: ValueError) -> dict[str, Any]:
        """Start a new trial from the newest checkpoint of a run whose record is unreadable."""
        if is_searched(self._experiment.config.to_dict()):
            raise CheckpointError(
                f"--resume {self._given}: Tune's record of this search cannot be read ({error}); "
                "pass one of its checkpoints to --resume"
            ) from error
        if not trials_in(self._folder):
            raise CheckpointError(_nothing_to_resume(self._given)) from error
        found = find_checkpoint(self._folder)
        print(f"passed over  Tune's record of the run: {error}")
        found.report()
        print(f"new trial    it continues from {found.path}, as the file and the options say now")
        return {**self._own_place(), "restore": str(found.path)}

    def _own_place(self) -> dict[str, Any]:
        return {"name": self._folder.name, "storage_path": str(self._folder.parent)}

    def _refuse_another_place(self) -> None:
        output, name = self._settings.output, self._settings.experiment_name
        refused = []
        if output is not None and output.resolve() != self._folder.parent:
            refused.append(f"--output {output}")
        if name is not None and name != self._folder.name:
            refused.append(f"--experiment-name {name}")
        if refused:
            raise ConfigError(
                f"{' and '.join(refused)} cannot be combined with --resume {self._given}: a run "
                "goes on in its own folder; leave it out, or pass a checkpoint to --resume"
            )

    def _refuse_another_search(self, run: SavedRun) -> None:
        config = self._experiment.config.to_dict()
        now = {name for name, value in config.items() if is_searched({name: value})}
        then = {name.split("/")[0] for one in run.trials for name in one.trial.evaluated_params}
        if now != then:
            before, after = (", ".join(sorted(names)) or "nothing" for names in (then, now))
            raise ConfigError(
                f"--resume {self._given}: the run searches {before}, but the experiment now "
                f"searches {after}; change it back, or start a new run"
            )
        algorithm = self._experiment.config.algo_class.__name__
        trained = {one.trial.trainable_name for one in run.trials}
        if trained != {algorithm}:
            raise ConfigError(
                f"--resume {self._given}: the run trains {', '.join(sorted(trained))}, but the "
                f"experiment now trains {algorithm}; change it back, or start a new run"
            )


def checkpoint_config(
    settings: RunSettings, earlier: tune.CheckpointConfig | None = None
) -> tune.CheckpointConfig:
    """Return when checkpoints are saved: by the given options, else as earlier, else by default."""
    default = tune.CheckpointConfig(checkpoint_frequency=10, checkpoint_at_end=True, num_to_keep=2)
    options = {
        "checkpoint_frequency": settings.checkpoint_freq,
        "checkpoint_at_end": settings.checkpoint_at_end,
        "num_to_keep": settings.keep_checkpoints,
    }
    missing = {name: getattr(earlier or default, name) for name in options}
    given = {name: value for name, value in options.items() if value is not None}
    return tune.CheckpointConfig(**{**missing, **given})


def _report(saved: SavedTrial, changes: Mapping[str, Any], objects: Mapping[str, Any]) -> None:
    """Print what a trial goes on from, and which settings have changed."""
    if saved.newest:
        saved.newest.report()
    elif saved.trial.last_result:
        print(f"starts again {saved.folder.name}: it has no whole checkpoint")
    for name, value in changes.items():
        before = saved.trial.config.get(name)
        if before != value:
            print(f"changed      {name}: {before!r} -> {value!r}")
    own = [name for name, value in objects.items() if _differs(saved.trial.config.get(name), value)]
    if own:
        print(f"as in file   {', '.join(own)}")


def _differs(before: Any, now: Any) -> bool:
    try:
        return bool(before != now)
    except ValueError:  # arrays
        return True


def _nothing_to_resume(run_folder: Path, trials: Sequence[SavedTrial] = ()) -> str:
    faults = "; ".join(filter(None, (all_faults(saved.folder) for saved in trials)))
    return (
        f"--resume {run_folder}: the run has no whole checkpoint{faults and f' ({faults})'}, so "
        "there is nothing to resume; repeat the command without --resume, perhaps with a smaller "
        "--checkpoint-freq"
    )
