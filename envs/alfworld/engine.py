"""Plays a game: the planner's library holds the state, the grammar puts it into words.

What the player sees is what ``textworld.envs.pddl.PddlEnv`` behind ALFWorld's ``AlfredDemangler``
shows, sixteen times as fast and more (tests compare the transcripts). It differs in three points:
the game is read once for many plays (`game`), texts are made without copying (`grammar`), and no
planner is kept ready.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .game import Game
from .grammar import Scope
from .libraries import borrow_library, return_library
from .world import World

NOTHING_HAPPENS = "Nothing happens."


@dataclass(frozen=True, slots=True)
class Operator:
    """An action with its arguments, applicable now."""

    id: int  # in the planner's library
    num_effects: int
    action: str  # name in the PDDL: gotolocation
    arguments: tuple[str, ...]  # ids of entities, in the order of the action's parameters
    command: str  # what the player types: go to fridge 1


class Engine:
    """One running game. Each engine has its own copy of the planner's library (6 MB).

    Attributes:
        game: The game that is played.
        world: The facts that hold now.
        operators: What can be done now; of two with one command, the first is done.
        has_won: Whether the goal is reached.
    """

    def __init__(self) -> None:
        """Take a library."""
        import fast_downward
        from textworld.envs.pddl.logic import Atom

        self._library = borrow_library()
        self._give_back = weakref.finalize(self, return_library, self._library)
        self._operator_type: Any = fast_downward.Operator
        self._atom_type: Any = Atom
        self.game: Game
        self.world: World
        self.operators: list[Operator] = []
        self.has_won = False
        self._by_command: dict[str, Operator] = {}

    def start(self, game: Game) -> str:
        """Begin a game from its start and return the intro."""
        self._library.load_sas(game.sas)
        self.game = game
        self.world = World(game.facts, {id_: e.type for id_, e in game.entities.items()})
        intro = game.grammar.rule_text("intro", self._scope())
        self._look_around()
        return intro

    def execute(self, command: str) -> str:
        """Carry out a command and return the game's answer."""
        operator = self.operator(command)
        if operator is None:
            return NOTHING_HAPPENS
        self._apply(operator)
        answer = self.game.grammar.actions[operator.action].answer
        text = self.game.grammar.text(answer, self._scope(operator.action, operator.arguments))
        self._look_around()
        return text

    @property
    def admissible_commands(self) -> list[str]:
        """The commands that can be carried out now, sorted."""
        return sorted(self._by_command)

    def operator(self, command: str) -> Operator | None:
        """What a command would do now; None if nothing."""
        return self._by_command.get(command)

    def close(self) -> None:
        """Give the library back; the engine is of no use any more."""
        self._give_back()
        self._library = None

    def _scope(self, action: str = "", arguments: tuple[str, ...] = ()) -> Scope:
        placeholders = self.game.parameters[action] if action else ()
        bound = dict(zip(placeholders, arguments, strict=False))
        return Scope(self.world, self.game.entities, bound)

    def _apply(self, operator: Operator) -> None:
        effects = (self._atom_type * operator.num_effects)()
        self._library.apply_operator(operator.id, effects)
        for effect in effects:
            self._change(effect.name)

    def _change(self, atom: str) -> None:
        """Take over an effect, such as ``NegatedAtom holds(agent1, apple_bar_...)``."""
        kind, _, rest = atom.partition(" ")
        predicate, _, inside = rest.partition("(")
        fact = tuple(argument for argument in inside[:-1].split(", ") if argument)
        opposite = f"not_{predicate}"
        became, ceased = (opposite, predicate) if kind == "NegatedAtom" else (predicate, opposite)
        self.world.remove(ceased, fact)
        self.world.add(became, fact)

    def _look_around(self) -> None:
        """Ask the library what can be done now, and whether the goal is reached."""
        count = self._library.get_applicable_operators_count()
        found = (self._operator_type * count)()
        self._library.get_applicable_operators(found)
        self.operators, self._by_command = [], {}
        for name, operator in _first_by_name(found).items():
            self._learn(name, operator.id, operator.nb_effect_atoms)
        self.has_won = bool(self._library.check_goal())

    def _learn(self, name: str, number: int, num_effects: int) -> None:
        action, *arguments = name.split()
        texts = self.game.grammar.actions[action]
        command = self.game.grammar.text(texts.command, self._scope(action, tuple(arguments)))
        operator = Operator(number, num_effects, action, tuple(arguments), command)
        self.operators.append(operator)
        self._by_command.setdefault(command, operator)


def _first_by_name(operators: Iterable[Any]) -> dict[str, Any]:
    """Several operators may share a name, where alternatives of a precondition hold."""
    by_name: dict[str, Any] = {}
    for operator in operators:
        by_name.setdefault(operator.name, operator)
    return by_name
