"""Jericho: interactive fiction from a Z-machine file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ...common.optional_backends import import_backend
from ...common.z_machine_file import check_z_machine_file
from ...contract import ANCHOR, SCORE, TASK, WON
from ...textworld.interpreter_text import REFUSAL, clean_action, clean_feedback, is_meta_command
from ..adapter import AdapterEnv, Answer
from .jericho_progress import progress_reader


class JerichoEnv(AdapterEnv):
    """A game from your own Z-machine file; the package ships none.

    Args:
        game_file: Path of the Z-machine file (.z3 to .z8).
        task: The task shown in the prompt.
    """

    def __init__(self, game_file: str, task: str = "Finish the game with a high score.") -> None:
        super().__init__(game_file=game_file, task=task)
        self._jericho = import_backend("jericho", extra="textworld")
        self._file, self._task = Path(game_file).expanduser(), task
        check_z_machine_file(self._file)

    def _open(self) -> Any:
        # The adapter reads the text of such games instead.
        warnings.filterwarnings("ignore", message="Game '.*' is not fully supported")
        return self._jericho.FrotzEnv(str(self._file))

    def _shut(self, game: Any) -> None:
        game.close()

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        self._game.seed(int(self.np_random.integers(1, 2**15)))  # seeds the interpreter's dice
        text, _ = self._game.reset()
        self._reader = progress_reader(self._game)
        self._progress = self._reader.read(text)
        return clean_feedback(text), self._info()

    def _play(self, action: str) -> Answer:
        """Type one command; the reward is its gain in score."""
        # A backslash starts a command to the interpreter itself, and can crash it.
        command = clean_action(action) or "look"
        if is_meta_command(command):
            return REFUSAL, 0.0, False, False, self._info()
        text, *_ = self._game.step(command)
        before, self._progress = self._progress, self._reader.read(text)
        reward = self._progress.score - before.score
        return clean_feedback(text), reward, self._progress.has_ended, False, self._info()

    def _info(self) -> dict[str, Any]:
        info = {TASK: self._task, WON: self._progress.is_won, ANCHOR: self._progress.anchor}
        return info | {SCORE: self._progress.score}
