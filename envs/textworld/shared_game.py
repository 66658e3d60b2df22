"""One loaded TextWorld game that any number of environments play, in any number of threads.

A `Position` is a moment of a play: what the player sees, and a copy of the interpreter's memory
(about 36 KB). To go on from a position, an interpreter of the game gets this copy, which takes 25
microseconds. Members of a group therefore share the loaded game, its start, and every position that
several of them reach with the same commands.

What the player sees is what ``textworld.start`` shows, tidied (a test compares them).
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from .interpreter_text import clean_feedback, tidy
from .textworld_generator import TEXTWORLD_LOCK

_MAX_POSITIONS = 256  # kept per game; 8 episodes of 15 steps visit at most 120
_MAX_MOVES = 1024  # sets of facts whose moves are kept
_TRACKED = ("inventory", "description", "moves", "score")  # what the game prints after every turn
_SHOWN = ("inventory", "description", "score")  # what of it a position has
_WON, _LOST = "*** The End ***", "*** You lost! ***"


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """A moment of a play.

    Attributes:
        feedback: The game's answer to the last command, tidied as the two below.
        description: The room.
        inventory: What the player carries.
        score: Points so far.
        won: Whether the game is won.
        lost: Whether the game is lost.
        admissible_commands: The commands that change something, in alphabetical order.
        policy_commands: The commands that win the game from here; empty if TextWorld finds no plan,
            or the game does not plan.
        memory: The interpreter's state, from ``jericho.FrotzEnv.get_state``.
        progress: TextWorld's record of the world, which must not be changed.
    """

    feedback: str
    description: str
    inventory: str
    score: int
    won: bool
    lost: bool
    admissible_commands: tuple[str, ...]
    policy_commands: tuple[str, ...]
    memory: Any
    progress: Any

    @property
    def done(self) -> bool:
        """Whether the game is over."""
        return self.won or self.lost


@dataclass(frozen=True, slots=True)
class _Moves:
    """What the player can do in a world: valid actions, their commands, and the events they are."""

    actions: list[Any]
    commands: tuple[str, ...]
    by_event: dict[str, Any]


class SharedGame:
    """A loaded game, and the positions that were reached last.

    Attributes:
        objective: The game's own description of its goal.
        extras: What the game's file says besides: walkthrough, recipe.
        max_score: The score of a won game.
        start: The position at the start.
    """

    def __init__(self, path: Path, *, plans: bool) -> None:
        """Load a game; ``plans`` is whether positions have ``policy_commands``."""
        from textworld.generator.game import Game, GameProgression
        from textworld.generator.inform7 import Inform7Game

        self._path, self._plans = path, plans
        with TEXTWORLD_LOCK:
            self._game = Game.load(str(path.with_suffix(".json")))
            self._inform7 = Inform7Game(self._game)
            progress = GameProgression(self._game, track_quests=plans)
        self.objective, self.max_score = self._game.objective, self._game.max_score
        self.extras: dict[str, Any] = self._game.metadata
        self._moves: dict[frozenset[Any], _Moves] = {}
        self._idle: list[Any] = []  # interpreters
        self._known: OrderedDict[tuple[Position, str], Position] = OrderedDict()
        self._lock = threading.Lock()  # of `_known`
        self.start = self._start(progress)

    def after(self, position: Position, command: str) -> Position:
        """Return the position that a command leads to, from memory if it was asked for before."""
        known = self._known.get((position, command))
        if known is not None:
            return known
        reached = self._play(position, command)
        with self._lock:
            self._known[position, command] = reached
            if len(self._known) > _MAX_POSITIONS:
                self._known.popitem(last=False)
        return reached

    # ------------------------------------------------------------------ interpreter

    @contextmanager
    def _interpreter(self) -> Iterator[Any]:
        """Lend an interpreter that no other thread uses."""
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = _new_interpreter(self._path)
        yield interpreter
        self._idle.append(interpreter)

    def _start(self, progress: Any) -> Position:
        from textworld.envs.wrappers.tw_inform7 import _detect_extra_infos

        with self._interpreter() as interpreter:
            feedback, _ = interpreter.reset()
            infos: dict[str, str | None] = dict.fromkeys(_TRACKED)
            for name in _TRACKED:
                shown, _ = _detect_extra_infos(interpreter.step(f"tw-extra-infos {name}")[0])
                infos |= {key: text for key, text in shown.items() if text is not None}
            interpreter.step("tw-trace-actions")
            memory = interpreter.get_state()
        return self._position(feedback, infos, memory, progress)

    def _play(self, position: Position, command: str) -> Position:
        from textworld.envs.wrappers.tw_inform7 import (
            _detect_extra_infos,
            _detect_i7_events_debug_tags,
        )

        with self._interpreter() as interpreter:
            interpreter.set_state(position.memory)
            text = interpreter.step(command.strip())[0]
            memory = interpreter.get_state()
        infos, text = _detect_extra_infos(text, _TRACKED)
        for name in _SHOWN:  # they are not printed after a command that does not take a turn
            infos[name] = infos[name] or getattr(position, name)
        events, feedback = _detect_i7_events_debug_tags(text)
        return self._position(feedback, infos, memory, self._progressed(position.progress, events))

    def _position(
        self, feedback: str, infos: dict[str, Any], memory: Any, progress: Any
    ) -> Position:
        plan = progress.winning_policy if self._plans else None
        return Position(
            feedback=clean_feedback(feedback),
            description=tidy(infos["description"] or ""),
            inventory=tidy(infos["inventory"] or ""),
            score=_number(infos["score"]),
            won=_WON in feedback,
            lost=_LOST in feedback,
            admissible_commands=self._moves_of(progress.state).commands,
            policy_commands=tuple(self._inform7.gen_commands_from_actions(plan or ())),
            memory=memory,
            progress=progress,
        )

    # ------------------------------------------------------------------ logic

    def _progressed(self, progress: Any, events: Sequence[str]) -> Any:
        """Return the record of the world after what the interpreter says has happened."""
        for event in events:
            action = self._moves_of(progress.state).by_event.get(event.lower())
            if action is not None:
                progress = self._after_action(progress, action)
        return progress

    def _after_action(self, before: Any, action: Any) -> Any:
        """Do what ``GameProgression.update`` does, on a copy."""
        progress = copy.copy(before)
        progress.state = before.state.copy()
        progress.state.apply(action)
        progress._valid_actions = self._moves_of(progress.state).actions
        progress.quest_progressions = [quest.copy() for quest in before.quest_progressions]
        for quest in progress.quest_progressions:
            quest.update(action, progress.state)
        return progress

    def _moves_of(self, state: Any) -> _Moves:
        """Return the moves in a world; they depend only on its facts."""
        facts = frozenset(state.facts)
        moves = self._moves.get(facts)
        if moves is None:
            if len(self._moves) >= _MAX_MOVES:
                self._moves.clear()
            moves = self._moves[facts] = self._new_moves(state)
        return moves

    def _new_moves(self, state: Any) -> _Moves:
        kb, inform7 = self._game.kb, self._inform7
        actions = list(state.all_applicable_actions(kb.rules.values(), kb.types.constants_mapping))
        by_event: dict[str, Any] = {}
        for action in sorted(actions, key=lambda one: len(one.preconditions), reverse=True):
            event = kb.inform7_events[action.name].format(**inform7._get_name_mapping(action))
            by_event.setdefault(event.lower(), action)
        commands = tuple(sorted(set(inform7.gen_commands_from_actions(actions))))
        return _Moves(actions, commands, by_event)


def _number(score: Any) -> int:
    return score if isinstance(score, int) else int(str(score).strip().split("\n")[0])


def _new_interpreter(path: Path) -> Any:
    import jericho

    # Jericho knows the scores and states of commercial games only; TextWorld tracks its own.
    warnings.filterwarnings("ignore", message="Game '.*' is not fully supported")
    return jericho.FrotzEnv(str(path), -1)


_open_games: WeakValueDictionary[tuple[Path, bool, tuple[int, int]], SharedGame] = (
    WeakValueDictionary()
)
_open_lock = threading.Lock()


def open_game(path: Path, *, plans: bool) -> SharedGame:
    """Return a loaded game: the one that other environments of this process play, if there is one.

    Args:
        path: The .z8 file, with its .json next to it; a file that has changed is another game.
        plans: Whether positions have ``policy_commands``. TextWorld then plans after every step.
    """
    stat = path.stat()
    key = (path, plans, (stat.st_mtime_ns, stat.st_size))
    with _open_lock:
        game = _open_games.get(key)
        if game is None:
            game = _open_games[key] = SharedGame(path, plans=plans)
    return game
