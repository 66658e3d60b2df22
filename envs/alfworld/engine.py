"""The engine that plays a game: the planner's library holds the state, the grammar describes it.

The player sees exactly what ``textworld.envs.pddl.PddlEnv`` behind ALFWorld's ``AlfredDemangler``
shows, at least sixteen times as fast (tests compare the transcripts). It differs in three points:
a game is read once for many plays (`game`), texts are made without copying (`texts.grammar`), and
no planner is kept ready.
"""

from __future__ import annotations

import weakref
from typing import Any

from .game import Game, Operator
from .libraries import borrow_library, return_library
from .texts.grammar import Scope
from .world import World

NOTHING_HAPPENS = "Nothing happens."


class Engine:
    """One running game. Each engine has its own copy of the planner's library (6 MB).

    Attributes:
        game: The current game.
        world: The facts that hold now.
        operators: The operators that apply now; if two share a command, the first one is used.
        has_won: Whether the goal is reached.
    """

    def __init__(self) -> None:
        """Borrow a library."""
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
        self._found: Any = ()  # the library's own records of the applicable operators

    def start(self, game: Game) -> str:
        """Start a game and return its intro."""
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
        """Return the operator that a command would apply now, or None if it has no effect."""
        return self._by_command.get(command)

    def close(self) -> None:
        """Hand back the library; the engine cannot be used after this."""
        self._give_back()
        self._library = None

    def _scope(self, action: str = "", arguments: tuple[str, ...] = ()) -> Scope:
        placeholders = self.game.parameters[action] if action else ()
        bound = dict(zip(placeholders, arguments, strict=False))
        return Scope(self.world, self.game.entities, bound)

    def _apply(self, operator: Operator) -> None:
        [count] = {found.nb_effect_atoms for found in self._found if found.id == operator.id}
        effects = (self._atom_type * count)()
        self._library.apply_operator(operator.id, effects)
        for effect in effects:
            self._change(effect.name)

    def _change(self, atom: str) -> None:
        """Apply an effect, such as ``NegatedAtom holds(agent1, apple_bar_...)``, to the world."""
        kind, _, rest = atom.partition(" ")
        predicate, _, inside = rest.partition("(")
        fact = tuple(argument for argument in inside[:-1].split(", ") if argument)
        opposite = f"not_{predicate}"
        became, ceased = (opposite, predicate) if kind == "NegatedAtom" else (predicate, opposite)
        self.world.remove(ceased, fact)
        self.world.add(became, fact)

    def _look_around(self) -> None:
        """Update the applicable operators and whether the goal is reached."""
        count = self._library.get_applicable_operators_count()
        self._found = (self._operator_type * count)()
        self._library.get_applicable_operators(self._found)
        # If several alternatives of a precondition hold, the library lists an action repeatedly.
        self.operators = list(dict.fromkeys(map(self._operator, self._found)))
        self._by_command = {operator.command: operator for operator in reversed(self.operators)}
        self.has_won = bool(self._library.check_goal())

    def _operator(self, found: Any) -> Operator:
        known = self.game.operators.get(found.id)
        if known is not None:
            return known
        action, *arguments = found.name.split()
        texts = self.game.grammar.actions[action]
        command = self.game.grammar.text(texts.command, self._scope(action, tuple(arguments)))
        operator = Operator(found.id, action, tuple(arguments), command)
        if action in self.game.fixed_commands:
            self.game.operators[found.id] = operator
        return operator
