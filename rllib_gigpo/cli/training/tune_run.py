"""Runs an experiment with Ray Tune and reports at the end where the results are. Imports Ray."""

import contextlib
import datetime
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search.variant_generator import parse_spec_vars
from ray.tune.tune_config import ResumeConfig

from rllib_gigpo.cli import INTERRUPTED
from rllib_gigpo.cli.checkpoints import is_checkpoint
from rllib_gigpo.cli.experiment import Experiment
from rllib_gigpo.cli.ray_session import ray_session
from rllib_gigpo.cli.training.closing_report import report_interrupt, report_trial
from rllib_gigpo.cli.training.progress_display import ProgressDisplay, make_display
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.errors import CheckpointError, ConfigError
from rllib_gigpo.reports.results import summarize
from rllib_gigpo.resources import check_resources

_EXPERIMENT_MARK = "experiment_state-*.json"


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
        The exit status: 0 if done, 1 if a trial failed, 130 if interrupted.

    Raises:
        ConfigError: The config has mistakes, the run needs more CPUs or GPUs than there are, or
            the run to resume has already finished.
        CheckpointError: ``settings.resume`` is neither a run nor a checkpoint.
    """
    stop = dict(experiment.stop if settings.stop is None else settings.stop)
    place = _place(experiment, settings)
    if not _is_search_space(experiment.config.to_dict()):
        experiment.config.copy(copy_frozen=False).validate()  # here, not a minute later in a trial
    display = make_display(stop, title=experiment.name)
    with ray_session(settings.ray):
        _check_resources(experiment, settings)
        with _shown(display):
            trials = _run_trials(experiment, settings, stop, [ProgressCallback(display)], place)
    if not display.history and all(trial.status == Trial.TERMINATED for trial in trials):
        raise ConfigError(
            f"{settings.resume}: this run has already finished; to continue, pass one of its "
            "checkpoints to --resume and a larger --stop"
        )
    for trial in trials:
        failed = trial.status == Trial.ERROR
        report_trial(Path(trial.path), experiment=experiment.name, failed=failed)
    status = _exit_status(trials)
    if status == INTERRUPTED:
        report_interrupt(Path(trials[0].path).parent)
    return status


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
        checkpoint_config=tune.CheckpointConfig(
            checkpoint_frequency=settings.checkpoint_freq,
            checkpoint_at_end=settings.checkpoint_at_end,
            num_to_keep=settings.keep_checkpoints,
        ),
        callbacks=callbacks,
        verbose=2 if settings.ray.verbosity > 1 else 0,
        raise_on_failed_trial=False,
        trial_dirname_creator=_trial_folder,
        # Copies the transcripts, which the algorithm writes on its worker's machine.
        sync_config=tune.SyncConfig(sync_artifacts=True),
        **place,
    )
    return analysis.trials


def _silence_tune() -> None:
    """Leave the screen to the display; the errors of failed trials are reported at the end."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # the new reporter prints tables even at verbose=0
    for name in ("ray.tune.tune", "ray.tune.execution.tune_controller"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _trial_folder(trial: Trial) -> str:
    # Tune's default name holds the environment's id, whose colon is not portable in file names.
    parts = (trial.trainable_name, trial.trial_id, _searched(trial).replace("/", "-"))
    return "_".join(part for part in parts if part)[:100]


def _searched(trial: Trial) -> str:
    """Return the values that a search varies, like "lr=0.0001"; "" without a search."""
    return trial.experiment_tag.partition("_")[2]


def _place(experiment: Experiment, settings: RunSettings) -> dict[str, Any]:
    """Return the arguments of `tune.run` for the run's folder and what it starts from."""
    resume = settings.resume.resolve() if settings.resume else None
    if resume and any(resume.glob(_EXPERIMENT_MARK)):
        again = ResumeConfig(errored=ResumeConfig.ResumeType.RESUME)
        return {"name": resume.name, "storage_path": str(resume.parent), "resume_config": again}
    if resume and not is_checkpoint(resume):
        raise CheckpointError(
            f"--resume {settings.resume} is neither a run's folder (no {_EXPERIMENT_MARK}) "
            "nor an RLlib checkpoint; pass one of these"
        )
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    place: dict[str, Any] = {"name": settings.experiment_name or f"{experiment.name}_{stamp}"}
    if settings.output:
        place["storage_path"] = str(settings.output.resolve())
    if resume:
        place["restore"] = str(resume)
    return place


def _check_resources(experiment: Experiment, settings: RunSettings) -> None:
    """Refuse a run whose actors would wait forever, if this command started Ray itself."""
    parameters = experiment.config.to_dict()
    if not settings.ray.address and not _is_search_space(parameters):
        check_resources(experiment.config.algo_class.default_resource_request(parameters))


def _is_search_space(parameters: Mapping[str, Any]) -> bool:
    _, domains, grids = parse_spec_vars(parameters)
    return bool(domains or grids)


@contextlib.contextmanager
def _shown(display: ProgressDisplay) -> Iterator[None]:
    display.start()
    try:
        yield
    finally:
        display.stop()


def _exit_status(trials: list[Trial]) -> int:
    if any(trial.status == Trial.ERROR for trial in trials):
        return 1
    # After an interrupt, Tune marks every trial TERMINATED; only those that met `stop` are "done".
    done = all((trial.last_result or {}).get("done") for trial in trials)
    return 0 if done else INTERRUPTED
