"""Runs an experiment with Ray Tune and reports at the end where the results are. Imports Ray."""

import contextlib
import datetime
import errno
import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.train.constants import DEFAULT_STORAGE_PATH
from ray.tune.experiment import Trial

from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.cli import INTERRUPTED, SIGNALLED
from rllib_gigpo.cli.experiment import Experiment
from rllib_gigpo.cli.ray_session import ray_session
from rllib_gigpo.cli.training.closing_report import report_trial, report_unfinished
from rllib_gigpo.cli.training.graceful_stop import GracefulStop, StopAtSignal
from rllib_gigpo.cli.training.progress_display import ProgressDisplay, make_display
from rllib_gigpo.cli.training.resumption import Resumption, checkpoint_config
from rllib_gigpo.cli.training.run_record import RecordCallback, RunRecord
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.config.search_space import is_searched
from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.reports.results import summarize
from rllib_gigpo.resources import check_resources

_DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
)


class ProgressCallback(tune.Callback):
    """A Tune callback, run in the driver's process, that shows each result on the display."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Show another iteration of ``trial``."""
        self._display.update(_searched(trial) or trial.trial_id, summarize(result))


def run_with_tune(experiment: Experiment, settings: RunSettings) -> int:
    """Train until ``stop``, an interrupt or an error.

    Returns:
        The exit status: 0 if done, 1 if a trial failed, 128 plus its number after a signal.

    Raises:
        ConfigError: The config has mistakes, the run needs more CPUs or GPUs than there are, or
            the run to resume has already finished.
        CheckpointError: ``settings.resume`` is neither a run nor a checkpoint, or the results
            cannot be written.
    """
    if not is_searched(experiment.config.to_dict()):
        experiment.config.copy(copy_frozen=False).validate()  # here, not a minute later in a trial
    record = RunRecord.of(experiment, settings)
    place = _new_place(experiment, settings)
    stop = dict(experiment.stop if settings.stop is None else settings.stop)
    graceful = GracefulStop()
    callbacks = [RecordCallback(record), graceful, *experiment.tune_callbacks]
    guard = None
    if settings.resume:
        resumption = Resumption(experiment, settings, record)
        place, stop = {**place, **resumption.place}, resumption.stop
        guard = resumption.guard
        callbacks += [guard] if guard else []
    display = make_display(stop, title=experiment.name)
    callbacks.append(ProgressCallback(display))
    place["scheduler"] = StopAtSignal(graceful)
    with ray_session(settings.ray, last_words=partial(_last_words, graceful, display)):
        _check_resources(experiment, settings)
        with graceful.listening(), _shown(display), named_disk(settings):
            trials = _run_trials(experiment, settings, stop, callbacks, place)
            if guard:
                guard.check(trials)
        errors = [_errors(trial) for trial in trials]
    status = _exit_status(trials, graceful.signal)
    for trial, file in zip(trials, errors, strict=True):
        report_trial(Path(trial.path), experiment=experiment.name, errors=file, is_done=status == 0)
    if status != 0:
        how = "failed" if status == 1 else "interrupted"
        report_unfinished(Path(trials[0].path).parent, how=how)
    return status


def _last_words(graceful: GracefulStop, display: ProgressDisplay) -> int:
    """Print how to go on after the death of the cluster; return the exit status."""
    display.stop()
    if graceful.run_folder is not None:
        report_unfinished(graceful.run_folder, how="interrupted")
    return 1 if graceful.signal is None else SIGNALLED + graceful.signal


def _run_trials(
    experiment: Experiment,
    settings: RunSettings,
    stop: Mapping[str, Any],
    callbacks: list[tune.Callback],
    place: Mapping[str, Any],
) -> list[Trial]:
    # By default, Tune changes to each trial's folder, which breaks relative paths in the config.
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    if settings.ray.verbosity < 2:
        _silence_tune()
    analysis = tune.run(
        experiment.config.algo_class,
        config=experiment.config.to_dict(),
        stop=dict(stop),
        checkpoint_config=checkpoint_config(settings),
        max_failures=settings.max_failures,
        callbacks=callbacks,
        verbose=2 if settings.ray.verbosity > 1 else 0,
        raise_on_failed_trial=False,
        trial_dirname_creator=_trial_folder,
        # Copies the transcripts, which the algorithm writes on its worker's machine.
        sync_config=tune.SyncConfig(sync_artifacts=True),
        **place,
    )
    return analysis.trials


def _errors(trial: Trial) -> Path | None:
    """Return the driver's own file with a failed trial's errors; only while Ray is connected."""
    if trial.status != Trial.ERROR:
        return None
    return Path(trial.error_file or trial.path)


def _silence_tune() -> None:
    """Leave the screen to the display; the errors of failed trials are reported at the end."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # the new reporter prints tables even at verbose=0
    for name in ("tune", "execution.tune_controller", "analysis.experiment_analysis"):
        logging.getLogger(f"ray.tune.{name}").setLevel(logging.CRITICAL)


def _trial_folder(trial: Trial) -> str:
    # Tune's default name holds the environment's id, whose colon is not portable in file names.
    parts = (trial.trainable_name, trial.trial_id, _searched(trial).replace("/", "-"))
    return "_".join(part for part in parts if part)[:100]


def _searched(trial: Trial) -> str:
    """Return the values that a search varies, like "lr=0.0001"; "" without a search."""
    return trial.experiment_tag.partition("_")[2]


def _new_place(experiment: Experiment, settings: RunSettings) -> dict[str, Any]:
    """Return the arguments of `tune.run` for the folder of a new run."""
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    place = {"name": settings.experiment_name or f"{experiment.name}_{stamp}"}
    if settings.output:
        place["storage_path"] = str(settings.output.resolve())
    return place


def _check_resources(experiment: Experiment, settings: RunSettings) -> None:
    """Refuse a run whose actors would wait forever, if this command started Ray itself."""
    parameters = experiment.config.to_dict()
    if not settings.ray.address and not is_searched(parameters):
        check_resources(experiment.config.algo_class.default_resource_request(parameters))


@contextlib.contextmanager
def named_disk(settings: RunSettings) -> Iterator[None]:
    """Name the folder of the results if its disk is full or may not be written to."""
    try:
        yield
    except OSError as error:
        output = (settings.output or Path(DEFAULT_STORAGE_PATH)).expanduser().resolve()
        if error.errno not in _DISK_ERRORS and str(output) not in str(error):
            raise
        raise CheckpointError(
            f"the results could not be written: {error} ({disk_state(output)}); free "
            "some space, or choose another folder with --output"
        ) from error


@contextlib.contextmanager
def _shown(display: ProgressDisplay) -> Iterator[None]:
    display.start()
    try:
        yield
    finally:
        display.stop()


def _exit_status(trials: list[Trial], signal: int | None = None) -> int:
    if signal is not None:
        return SIGNALLED + signal
    if any(trial.status == Trial.ERROR for trial in trials):
        return 1
    # After an interrupt, Tune marks every trial TERMINATED; only those that met `stop` are "done".
    done = all((trial.last_result or {}).get("done") for trial in trials)
    return 0 if done else INTERRUPTED
