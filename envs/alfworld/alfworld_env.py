"""ALFWorld as a Gymnasium environment: household tasks in text, one game per seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..common.option_checks import check_positive, check_whole
from ..contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    EXPERT_ACTION,
    FIRST_TEST_SEED,
    SCORE,
    TAGS,
    TASK,
    WON,
    text_space,
)
from .alfworld_expert import ALFWorldExpert
from .alfworld_source import game_source
from .backend import check_installed
from .engine import Engine
from .game import load_game
from .texts.sight import describe_state, first_observation

_HELP = "help"  # lists the verbs, which the prompt already does


class ALFWorldEnv(gymnasium.Env[str, str], EzPickle):
    """Household tasks: find, treat and place objects with typed commands; the seed picks the game.

    The reward is ``win_reward`` when the task is done and 0 before. An episode terminates when it
    is won, and is truncated after ``max_steps`` steps. The answer to a command that cannot be
    carried out is "Nothing happens.".

    Args:
        data_dir: A data set in ALFWorld's folder layout, official or from
            ``rllib make-alfworld-games``. None uses the environment variable ``ALFWORLD_DATA``; if
            that is unset too, each seed gets its own generated game, made on first use (half a
            second) and cached.
        split: "train", "valid_seen" or "valid_unseen".
        test_split: The split of the test seeds; None uses ``split``.
        task_types: Some of ``TASK_TYPES``; None uses all six.
        max_steps: Steps after which an unfinished episode is truncated.
        win_reward: The reward of a won game; verl-agent uses 10.
        first_test_seed: The lowest test seed, as in ``config.tasks(first_test_task=...)``.
        cache_dir: Folder for generated games; None uses a folder in the user's cache.

    Raises:
        ValueError: An option is out of range, or the data contains no such game.
        ImportError: ALFWorld is not installed.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        split: str = "train",
        test_split: str | None = None,
        task_types: Sequence[str] | None = None,
        max_steps: int = 50,
        win_reward: float = 1.0,
        first_test_seed: int = FIRST_TEST_SEED,
        cache_dir: str | Path | None = None,
    ) -> None:
        """Check the options; ``reset`` makes or loads the games."""
        EzPickle.__init__(
            self,
            data_dir,
            split=split,
            test_split=test_split,
            task_types=task_types,
            max_steps=max_steps,
            win_reward=win_reward,
            first_test_seed=first_test_seed,
            cache_dir=cache_dir,
        )
        check_whole("max_steps", max_steps, low=1)
        check_whole("first_test_seed", first_test_seed, low=1)
        check_positive("win_reward", win_reward)
        check_installed()
        self._source = game_source(
            data_dir,
            split=split,
            test_split=test_split,
            task_types=task_types,
            first_test_seed=first_test_seed,
            cache_dir=cache_dir,
        )
        self.observation_space = text_space(8192)
        self.action_space = text_space(1000)
        self._max_steps, self._win_reward = max_steps, float(win_reward)
        self._engine: Engine | None = None
        self._expert: ALFWorldExpert
        self._task_type = ""
        self._num_steps = 0
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start the game of ``seed``, or of a random training seed if it is None."""
        super().reset(seed=seed, options=options)
        game_seed = (
            int(self.np_random.integers(self._source.first_test_seed)) if seed is None else seed
        )
        self._is_over = True  # if the game cannot be read, the previous one must not continue
        path, self._task_type = self._source.game(game_seed)
        game = load_game(path)
        if self._engine is None:
            self._engine = Engine()
        intro = self._engine.start(game)
        self._expert = ALFWorldExpert(game)
        self._num_steps, self._is_over = 0, False
        return first_observation(intro), self._info(self._engine) | self._source.names(path)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Carry out one command."""
        if self._engine is None or self._is_over:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        command = " ".join(action.lower().split())
        self._expert.observe(self._engine.operator(command))
        text = self._engine.execute(command)
        self._num_steps += 1
        terminated = self._engine.has_won
        truncated = not terminated and self._num_steps >= self._max_steps
        self._is_over = terminated or truncated
        reward = self._win_reward if terminated else 0.0
        return text, reward, terminated, truncated, self._info(self._engine)

    def close(self) -> None:
        """Hand back the planner's library."""
        if self._engine is not None:
            self._engine.close()
        self._engine, self._is_over = None, True

    def _info(self, engine: Engine) -> dict[str, Any]:
        info = {
            TASK: engine.game.grammar.task,
            ADMISSIBLE_ACTIONS: [c for c in engine.admissible_commands if c != _HELP],
            WON: engine.has_won,
            ANCHOR: describe_state(engine),
            SCORE: float(engine.has_won),
            TAGS: ["alfworld", self._task_type],
        }
        suggestion = None if engine.has_won else self._expert.suggest(engine)
        if suggestion is not None:
            info[EXPERT_ACTION] = suggestion
        return info
