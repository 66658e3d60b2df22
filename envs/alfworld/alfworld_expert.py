"""An expert for any state: it follows the game's stored plan, and makes its own off that plan.

ALFWorld's planner takes seconds to plan again. But there are only six kinds of goals, and trying
each object and each place finds the shortest plan for them without a search.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations

from .engine import Engine
from .game import Game, Operator
from .generation.plan import ImpossibleError, Move, PlanDraft, Room
from .pddl_goals import PddlGoal, parse_goal

_NO_CHANGE = frozenset({"look", "inventory", "help", "examinereceptacle", "examineobject"})


class ALFWorldExpert:
    """An expert that follows the walkthrough as long as the player does, then plans."""

    def __init__(self, game: Game) -> None:
        """Begin at the start of a game."""
        self._room = Room(game)
        self._goal = parse_goal(game.goal)
        self._walkthrough: list[str] | None = list(game.walkthrough) or None
        self._moves: list[Move] = []

    def suggest(self, engine: Engine) -> str | None:
        """Return a command that leads to the goal, or None if none is known."""
        if self._walkthrough and engine.operator(self._walkthrough[0]) is not None:
            return self._walkthrough[0]
        if not self._moves and self._goal is not None:
            self._moves = best_plan(self._goal, self._room, engine)
        return next((o.command for o in engine.operators if self._is_next(o)), None)

    def observe(self, operator: Operator | None) -> None:
        """Record the player's action; None is a command without effect."""
        if operator is None or operator.action in _NO_CHANGE:
            return
        if self._walkthrough and operator.command == self._walkthrough[0]:
            self._walkthrough.pop(0)
            return
        self._walkthrough = None
        self._moves = self._moves[1:] if self._is_next(operator) else []

    def _is_next(self, operator: Operator) -> bool:
        return bool(self._moves) and self._moves[0].is_done_by(operator)


def best_plan(goal: PddlGoal, room: Room, engine: Engine) -> list[Move]:
    """Return the shortest plan from the engine's state; empty if there is none."""
    plans = _look_plans if goal.lamp_type else _place_plans
    drafts = [draft.moves for draft in plans(goal, room, engine)]
    return min(drafts, key=lambda moves: (len(moves), moves), default=[])


def _look_plans(goal: PddlGoal, room: Room, engine: Engine) -> Iterator[PlanDraft]:
    """Pick up each object of the type and carry it to each lamp."""
    for thing in room.objects_of(goal.object_type):
        for lamp in room.objects_of(goal.lamp_type or ""):
            draft = PlanDraft(room, engine.world)
            with suppress(ImpossibleError):
                draft.take(thing)
                draft.use(lamp)
                yield draft


def _place_plans(goal: PddlGoal, room: Room, engine: Engine) -> Iterator[PlanDraft]:
    """Bring the missing objects to each place of the type, in each order."""
    for place in room.receptacles_of(goal.receptacle_type or ""):
        ready = [
            thing
            for thing in room.objects_of(goal.object_type)
            if engine.world.holds("inreceptacle", thing, place)
            and (goal.condition is None or engine.world.holds(goal.condition, thing))
        ]
        others = [thing for thing in room.objects_of(goal.object_type) if thing not in ready]
        for things in permutations(others, max(goal.count - len(ready), 0)):
            draft = PlanDraft(room, engine.world)
            with suppress(ImpossibleError):
                for thing in things:
                    draft.take(thing)
                    draft.prepare(thing, goal.condition)
                    draft.put(thing, place)
                yield draft
