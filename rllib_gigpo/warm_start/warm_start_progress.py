"""The progress of a warm start, as records and as lines on stderr."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

_NUM_LINES = 4  # while the expert plays, which is slow if each task generates a game


@dataclass(frozen=True, slots=True)
class PlayProgress:
    """State of the demonstrations before the first task and after each task.

    Attributes:
        num_played: Number of tasks that the expert has played.
        num_tasks: Number of tasks in total.
    """

    num_played: int
    num_tasks: int


@dataclass(frozen=True, slots=True)
class FitProgress:
    """State of a fit after an epoch.

    Attributes:
        epoch: Number of the finished epoch, from 1.
        num_epochs: Number of epochs in total.
        loss: Mean cross-entropy per response token during the epoch, in nats.
        token_accuracy: Share of response tokens that the model found most likely in the epoch.
    """

    epoch: int
    num_epochs: int
    loss: float
    token_accuracy: float


@dataclass(frozen=True, slots=True)
class StepProgress:
    """State of a fit within an epoch.

    Attributes:
        epoch: Number of the running epoch, from 1.
        num_epochs: Number of epochs in total.
        share: Share of the epoch's rows that are done.
        left_s: Expected time until the end of the last epoch, in seconds.
    """

    epoch: int
    num_epochs: int
    share: float
    left_s: float


State = PlayProgress | FitProgress | StepProgress
Progress = Callable[[State], None]


def print_progress(state: State) -> None:
    """Print the progress on stderr, in a few lines."""
    if isinstance(state, StepProgress):
        _say(
            f"epoch {state.epoch}/{state.num_epochs}  {state.share:.0%} done, "
            f"about {state.left_s:.0f} s left"
        )
    elif isinstance(state, FitProgress):
        _say(
            f"epoch {state.epoch}/{state.num_epochs}  loss {state.loss:.3f}  "
            f"token accuracy {state.token_accuracy:.1%}"
        )
    elif state.num_played == 0:
        _say(f"the expert plays {state.num_tasks} tasks, then a model is fitted (only once)")
    elif state.num_played % max(1, state.num_tasks // _NUM_LINES) == 0:
        _say(f"{state.num_played}/{state.num_tasks} tasks played")


def _say(text: str) -> None:
    print(f"warm start: {text}", file=sys.stderr, flush=True)
