"""How far a warm start is, for whoever waits for it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

_NUM_LINES = 4  # while the expert plays, which may mean to generate a game for each task


@dataclass(frozen=True, slots=True)
class PlayProgress:
    """State of the demonstrations before the first task, and after each.

    Attributes:
        num_played: tasks that the expert has played.
        num_tasks: how many there are.
    """

    num_played: int
    num_tasks: int


@dataclass(frozen=True, slots=True)
class FitProgress:
    """State of a fit after one epoch.

    Attributes:
        epoch: number of the finished epoch, from 1.
        num_epochs: how many there will be.
        loss: mean cross-entropy per response token during the epoch, in nats.
        token_accuracy: share of response tokens that were the most likely one during the epoch.
    """

    epoch: int
    num_epochs: int
    loss: float
    token_accuracy: float


Progress = Callable[[PlayProgress | FitProgress], None]


def print_progress(state: PlayProgress | FitProgress) -> None:
    """Says it on stderr, in a few lines."""
    if isinstance(state, FitProgress):
        _say(
            f"epoch {state.epoch}/{state.num_epochs}  loss {state.loss:.3f}  "
            f"token accuracy {state.token_accuracy:.1%}"
        )
    elif state.num_played == 0:
        _say(f"the expert plays {state.num_tasks} tasks, then a model is fitted to it (once)")
    elif state.num_played % max(1, state.num_tasks // _NUM_LINES) == 0:
        _say(f"{state.num_played}/{state.num_tasks} tasks played")


def _say(text: str) -> None:
    print(f"warm start: {text}", file=sys.stderr, flush=True)
