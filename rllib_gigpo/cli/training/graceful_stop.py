"""Ends a run with Tune at a signal: after a checkpoint if one can be written soon. Imports Ray."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import FIFOScheduler

from rllib_gigpo.cli.stop_signals import (
    StoppedBySignal,
    discard_closed_outputs,
    handled_signals,
    say,
)

# Schedulers such as Slurm and Kubernetes kill a job 30 s after SIGTERM.
_LIMIT_S = 20.0


class GracefulStop(tune.Callback):
    """A Tune callback that ends the run after a signal.

    After the first signal, a trial ends with its iteration and a checkpoint, if that takes less
    than 20 s. A second signal ends the run at once, and a third one the command.

    Attributes:
        signal: The number of the first signal; None before.
        run_folder: The run's folder; None before its first trial starts.
    """

    def __init__(self) -> None:
        """Wait for signals once `listening`."""
        self.signal: int | None = None
        self.run_folder: Path | None = None
        self._num_signals = 0
        self._deadline = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside the block, instead of Tune."""
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
        with handled_signals(self._note):
            yield

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Note the run's folder."""
        self.run_folder = Path(trial.path).parent

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Save the last iteration; see `StopAtSignal`."""
        if self.signal is not None:
            result[SHOULD_CHECKPOINT] = True

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """End Tune's loop when nothing is left to save, or the time is over."""
        if self.signal is None:
            return
        if time.monotonic() > self._deadline or not any(_can_save(trial) for trial in trials):
            signal.raise_signal(signal.SIGUSR1)  # Tune handles it as it would handle SIGINT

    def _note(self, number: int, frame: FrameType | None) -> None:
        discard_closed_outputs()
        self._num_signals += 1
        if self._num_signals == 1:
            self.signal = number
            self._deadline = time.monotonic() + _LIMIT_S
            say(
                f"{signal.Signals(number).name}: the run ends after this iteration and a"
                f" checkpoint, within {_LIMIT_S:g} s; a second signal ends it at once"
            )
        elif self._num_signals == 2:
            self._deadline = 0.0
        else:
            raise StoppedBySignal(number)


class StopAtSignal(FIFOScheduler):
    """A Tune scheduler that stops every trial at its next result after a signal."""

    def __init__(self, stop: GracefulStop) -> None:
        """Follow ``stop``."""
        super().__init__()
        self._stop = stop

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Return STOP after a signal, after which Tune saves a checkpoint and ends the trial."""
        return self.CONTINUE if self._stop.signal is None else self.STOP


def _can_save(trial: Trial) -> bool:
    """Return whether a trial is still running or saving, and has more than its start to save."""
    return trial.status == Trial.RUNNING and bool(trial.last_result)
