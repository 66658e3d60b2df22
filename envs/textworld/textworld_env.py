"""TextWorld as a Gymnasium environment: generated text adventures, one game per seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..common.option_checks import check_choice, check_flag, check_whole
from ..contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    EXPERT_ACTION,
    RUNS_IN_THREADS,
    SCORE,
    TAGS,
    TASK,
    WON,
    text_space,
)
from .interpreter_text import REFUSAL, clean_action, is_meta_command, tidy
from .shared_game import open_game
from .textworld_games import Option
from .textworld_generator import check_installed
from .textworld_source import game_source
from .walkthrough_expert import WalkthroughExpert

OBSERVATIONS = ("feedback", "description")
GOALS = ("brief", "detailed", "none")


class TextWorldEnv(gymnasium.Env[str, str], EzPickle):
    """A TextWorld game played with typed commands; the seed of ``reset`` picks the game.

    The reward of a step is its gain in score. An episode terminates when the game is won or lost,
    and is truncated after ``max_steps`` steps. Any string is a legal action: the game answers
    commands that make no sense with a message.

    Args:
        challenge: "coin_collector", "treasure_hunter", "simple", "cooking" or "custom".
        game_files: Your own .z8 files (each with its .json next to it) instead of a challenge; the
            seed modulo their number picks one.
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "feedback" shows the game's answer to the last command (at first, the room);
            "description" shows the room after every step, which is shorter to learn from.
        goal: The content of ``info["task"]``. "brief": the last command of the solution, such as
            "take coin" (in cooking games, the game's own sentence); "detailed": the game's
            objective, which in generated games spells out the way; "none": nothing.
        expert: Whether ``info`` has an expert action. TextWorld then plans again after every step;
            without it, steps take about half the time.
        cache_dir: Folder for generated games; None uses a folder in the user's cache.
        render_mode: None or "ansi" (``render`` returns the last observation).
        **options: Options of the challenge, such as ``level`` or ``num_rooms``; see
            ``textworld_games.DEFAULT_OPTIONS``.

    Raises:
        ValueError: An option is unknown, or a value is out of range.
        ImportError: TextWorld is not installed.
    """

    # Three quarters of a step are C code of the interpreter, which leaves Python's lock.
    metadata = {"render_modes": ["ansi"], RUNS_IN_THREADS: True}  # noqa: RUF012

    def __init__(
        self,
        challenge: str = "coin_collector",
        *,
        game_files: Sequence[str | Path] | None = None,
        max_steps: int = 50,
        observation: str = "feedback",
        goal: str = "brief",
        expert: bool = True,
        cache_dir: str | Path | None = None,
        render_mode: str | None = None,
        **options: Option,
    ) -> None:
        """Check the options; ``reset`` makes or loads the games."""
        EzPickle.__init__(
            self,
            challenge,
            game_files=game_files,
            max_steps=max_steps,
            observation=observation,
            goal=goal,
            expert=expert,
            cache_dir=cache_dir,
            render_mode=render_mode,
            **options,
        )
        check_choice("observation", observation, OBSERVATIONS)
        check_choice("goal", goal, GOALS)
        check_choice("render_mode", render_mode, (None, "ansi"))
        check_whole("max_steps", max_steps, low=1)
        check_flag("expert", expert)
        check_installed()
        self.render_mode = render_mode
        self.observation_space = text_space(8192)
        self.action_space = text_space(1000)
        self._source = game_source(challenge, options, game_files, cache_dir)
        self._max_steps, self._observation, self._goal = max_steps, observation, goal
        self._has_expert = expert
        self._game: Any = None  # a SharedGame
        self._path: Path | None = None
        self._state: Any = None  # the Position after the last command
        self._num_steps = 0
        self._score = 0.0
        self._text = self._anchor = ""
        self._expert = WalkthroughExpert(())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start the game of ``seed``, or of a random training seed if it is None."""
        super().reset(seed=seed, options=options)
        game_seed = int(self.np_random.integers(2**20)) if seed is None else seed
        self._state = None  # if the game cannot be made, the previous one must not continue
        path = self._source.file(game_seed)
        self._load(path)
        self._state = self._game.start
        self._num_steps, self._score = 0, 0.0
        self._text, self._anchor = self._state.description, self._visible_state()
        self._expert = WalkthroughExpert(self._game.extras.get("walkthrough") or ())
        return self._text, self._info() | self._source.names(path)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Send one command to the game."""
        if self._state is None or self._state.done or self._num_steps >= self._max_steps:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        feedback = self._execute(clean_action(action))
        self._num_steps += 1
        reward, self._score = self._state.score - self._score, float(self._state.score)
        self._text = feedback if self._observation == "feedback" else self._state.description
        terminated = self._state.done
        truncated = not terminated and self._num_steps >= self._max_steps
        return self._text, float(reward), terminated, truncated, self._info()

    def render(self) -> Any:
        """Return the last observation if ``render_mode`` is "ansi"."""
        return self._text if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Leave the game, which is closed with the last environment that plays it."""
        self._game = self._path = self._state = None

    def _load(self, path: Path) -> None:
        """Load the game unless it is already loaded, here or in another environment."""
        if path != self._path:
            self._game, self._path = open_game(path, plans=self._has_expert), path

    def _execute(self, command: str) -> str:
        """Return the game's answer, or a refusal if the command is for the interpreter."""
        if command not in self._state.admissible_commands and is_meta_command(command):
            return REFUSAL
        self._state = self._game.after(self._state, command)
        before, self._anchor = self._anchor, self._visible_state()
        self._expert.observe(command, has_changed=self._anchor != before)
        return str(self._state.feedback)

    def _visible_state(self) -> str:
        return f"{self._state.description}\n{self._state.inventory}"

    def _info(self) -> dict[str, Any]:
        state = self._state
        info = {
            TASK: self._task(),
            ADMISSIBLE_ACTIONS: list(state.admissible_commands),
            WON: state.won,
            ANCHOR: self._anchor,
            SCORE: self._score,
            TAGS: list(self._source.tags),
        }
        expert_action = self._expert_action() if self._has_expert else None
        if expert_action:
            info[EXPERT_ACTION] = expert_action
        return info

    def _expert_action(self) -> str | None:
        plan = self._state.policy_commands
        return plan[0] if plan else self._expert.suggest()

    def _task(self) -> str:
        walkthrough = self._game.extras.get("walkthrough")
        if self._goal == "none":
            return ""
        if self._goal == "detailed" or self._game.extras.get("recipe") or not walkthrough:
            return tidy(self._game.objective)
        return str(walkthrough[-1])
