"""What TRL answers to the two forms of the main job that it does not support.

1. ``environment_factory``: turns are tool calls, so the chat template has to write tools.
2. One row for each step: TRL counts one reward and one row for each prompt of the dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer
from trl_loop import Rollouts, make_trainer


class TextWorldTools:
    """An environment in the form of TRL's ``environment_factory``."""

    def reset(self, **kwargs: Any) -> str:
        """Start an episode."""
        return "a room"

    def act(self, command: str) -> str:
        """Play one command.

        Args:
            command: The command.
        """
        return "another room"

    def get_reward(self) -> float:
        """Return the episode's reward."""
        return 0.0


class StepRows:
    """A ``rollout_func`` that returns two rows for each prompt, as for episodes of two steps."""

    def __init__(self, job: dict[str, Any], model_folder: str) -> None:
        """Encode a short row."""
        self._ids = AutoTokenizer.from_pretrained(model_folder).encode("go west")

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, list[Any]]:
        """Return the rows."""
        number = 2 * len(prompts)
        return {
            "prompt_ids": [self._ids] * number,
            "completion_ids": [self._ids] * number,
            "logprobs": [[-1.0] * len(self._ids)] * number,
            "episode_return": [float(row % 2) for row in range(number)],
        }


def print_limits(folder: Path, job: dict[str, Any]) -> None:
    """Try both forms and print TRL's errors."""
    model_folder = str(folder / "early_model")

    def tools() -> None:
        rollouts = Rollouts(job, model_folder)
        make_trainer(folder, job, rollouts, updates=1, environment_factory=TextWorldTools)

    def steps() -> None:
        make_trainer(folder, job, StepRows(job, model_folder), updates=1).train()

    _print_error("environment_factory with the model of the job", tools)
    _print_error("two rows for each prompt", steps)


def _print_error(name: str, action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:  # whatever TRL raises is the result
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        print(f"{name}: no error")
