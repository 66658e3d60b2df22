"""The construction of plans: the fixed layout of a room, and moves that build on one another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..game import Game, Operator
from ..world import Fact, World

_TREATMENTS = {
    "isclean": ("cleanobject", "sinkbasintype"),
    "ishot": ("heatobject", "microwavetype"),
    "iscool": ("coolobject", "fridgetype"),
}
"""Condition of an object -> the action that causes it, and the type of its receptacle."""


class ImpossibleError(Exception):
    """A dead end of a plan: an object is nowhere, or a place of the right kind is missing."""


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A PDDL action and the things that it involves."""

    action: str
    things: tuple[str, ...]  # ids

    def is_done_by(self, operator: Operator) -> bool:
        """Return whether the operator makes this move, with any other arguments."""
        return operator.action == self.action and set(self.things) <= set(operator.arguments)


class Room:
    """The parts of a game that never change: types and places.

    Attributes:
        location: Id of a receptacle -> id of its location.
    """

    def __init__(self, game: Game) -> None:
        """Read the initial facts."""
        facts = game.facts
        self.location = _table(facts["receptacleatlocation"])
        self._object_types = _table(facts["objecttype"])
        self._receptacle_types = _table(facts["receptacletype"])
        self._can_contain = facts["cancontain"]
        self._openable = {receptacle for (receptacle,) in facts.get("openable", ())}

    def objects_of(self, object_type: str) -> list[str]:
        """Return the ids of the objects of a type."""
        return [thing for thing, kind in self._object_types.items() if kind == object_type]

    def receptacles_of(self, receptacle_type: str) -> list[str]:
        """Return the ids of the receptacles of a type."""
        return [
            place
            for place, kind in self._receptacle_types.items()
            if kind == receptacle_type and place in self.location
        ]

    def is_closed(self, receptacle: str, world: World) -> bool:
        """Return whether a receptacle must be opened before its contents can be reached."""
        return receptacle in self._openable and not world.holds("opened", receptacle)

    def places_for(self, thing: str) -> list[str]:
        """Return the receptacles that may hold an object."""
        kind = self._object_types.get(thing)
        return [
            place
            for place in self.location
            if (self._receptacle_types.get(place), kind) in self._can_contain
        ]


class PlanDraft:
    """A plan under construction; each method adds the moves that it needs after those so far.

    The methods raise an ``ImpossibleError`` if they find no way.

    Attributes:
        moves: The plan so far.
    """

    def __init__(self, room: Room, world: World) -> None:
        """Start from the world's current state."""
        self.moves: list[Move] = []
        self._room, self._world = room, world
        self._here = next((location for _, location in world["atlocation"]), None)
        self._held = next((thing for _, thing in world["holds"]), None)
        self._opened: set[str] = set()
        self._put: dict[str, str] = {}  # objects that the plan has put down, and where

    def take(self, thing: str) -> None:
        """Pick up an object, after putting down any other object in hand."""
        if self._held == thing:
            return
        if self._held is not None:
            self.put(self._held, self._handiest(self._room.places_for(self._held)))
        place = self._place_of(thing)
        self._open(place)
        self._add("pickupobject", thing, place)
        self._held = thing

    def put(self, thing: str, place: str) -> None:
        """Put the held object in a place."""
        self._open(place)
        self._add("putobject", thing, place)
        self._held, self._put[thing] = None, place

    def prepare(self, thing: str, condition: str | None) -> None:
        """Clean, heat or cool the held object, unless it already meets the condition."""
        if condition is None or self._world.holds(condition, thing):
            return
        action, receptacle_type = _TREATMENTS[condition]
        tool = self._handiest(self._room.receptacles_of(receptacle_type))
        self._go(tool)
        self._add(action, thing, tool)

    def use(self, lamp: str) -> None:
        """Go to the lamp and switch it on, unless it is already on."""
        place = self._place_of(lamp)
        self._go(place)
        if not self._world.holds("istoggled", lamp):
            self._add("toggleobject", lamp, place)

    def _place_of(self, thing: str) -> str:
        if thing in self._put:
            return self._put[thing]
        places = [place for inside, place in self._world["inreceptacle"] if inside == thing]
        return self._handiest(sorted(places))

    def _handiest(self, places: list[str]) -> str:
        """Return the place that costs the fewest moves from here."""
        if not places:
            raise ImpossibleError
        return min(places, key=lambda place: (self._is_elsewhere(place), self._is_closed(place)))

    def _go(self, place: str) -> None:
        if self._is_elsewhere(place):
            self._add("gotolocation", place)
            self._here = self._room.location[place]

    def _open(self, place: str) -> None:
        self._go(place)
        if self._is_closed(place):
            self._add("openobject", place)
            self._opened.add(place)

    def _is_elsewhere(self, place: str) -> bool:
        return self._room.location[place] != self._here

    def _is_closed(self, place: str) -> bool:
        return place not in self._opened and self._room.is_closed(place, self._world)

    def _add(self, action: str, *things: str) -> None:
        self.moves.append(Move(action, things))


def _table(facts: Iterable[Fact]) -> dict[str, str]:
    """Return facts with two arguments as a table, in the order of the ids."""
    return {first: second for first, second, *_ in sorted(facts)}
