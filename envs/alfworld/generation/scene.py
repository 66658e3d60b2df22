"""The random scene of a generated game: a room, the objects in it, and a task.

Rooms are ALFRED's floor plans as far as the ``alfworld`` package ships them: the kinds of objects
in a scene, and the positions of its openable receptacles. Tables, shelves and the like get invented
positions, and every game distributes the objects differently.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..backend import package_constants, package_file

SPLITS = ("train", "valid_seen", "valid_unseen")
"""Generated train and valid_seen games share their rooms; valid_unseen games use other rooms."""

MAX_RECEPTACLES_PER_TYPE = 8
MAX_INVENTED_PER_TYPE = 3
MAX_OBJECTS_PER_TYPE = 3
MAX_OBJECT_TYPES = 12

_INVENTED = (
    *("ArmChair", "BathtubBasin", "Bed", "Cart", "CoffeeMachine", "CoffeeTable", "CounterTop"),
    *("Desk", "DiningTable", "Dresser", "Fridge", "GarbageCan", "Microwave", "Ottoman", "Shelf"),
    *("SideTable", "SinkBasin", "Sofa", "StoveBurner", "Toaster", "Toilet"),
)
_ONE_OF_ITS_KIND = frozenset({"Fridge", "Microwave", "SinkBasin", "CoffeeMachine", "Toaster"})
_LAMP = "DeskLamp"
_LAMP_PLACES = ("Desk", "Dresser", "Shelf", "SideTable", "CoffeeTable", "DiningTable")
_TREATMENTS = {
    "pick_clean_then_place_in_recep": ("Cleanable", "SinkBasin"),
    "pick_heat_then_place_in_recep": ("Heatable", "Microwave"),
    "pick_cool_then_place_in_recep": ("Coolable", "Fridge"),
}
"""Task type -> the property that the object needs, and the receptacle for the treatment."""


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A place for objects."""

    id: str  # ALFRED's, such as Drawer|+01.88|+00.21|-02.96
    type: str
    location: str  # where the agent stands, such as loc|7|-12|3|30


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, and the receptacle that it is in."""

    id: str
    type: str
    place: Receptacle


@dataclass(frozen=True, slots=True)
class Scene:
    """A room with a task. A target type is "" if the task has none."""

    task_type: str
    number: int  # the floor plan's number
    receptacles: tuple[Receptacle, ...]
    things: tuple[Thing, ...]
    object_target: str
    parent_target: str
    toggle_target: str


def draw_scene(rng: np.random.Generator, task_type: str, split: str) -> Scene | None:
    """Draw a room and a task of a type.

    Returns:
        The scene, or None if the drawn room does not allow such a task; then draw again.
    """
    number = _choose(rng, scene_numbers(task_type, split))
    kinds = frozenset(json.loads(_layout(number, "objects")))
    receptacles = _draw_receptacles(rng, number, kinds)
    target = _draw_target(rng, task_type, kinds, {place.type for place in receptacles})
    if target is None:
        return None
    object_target, parent_target = target
    is_look = task_type == "look_at_obj_in_light"
    types = _draw_object_types(rng, kinds, object_target)
    things: list[Thing] = []
    for kind in types:
        count = _draw_count(rng, kind, object_target, task_type)
        places = [p for p in receptacles if kind in _can_contain(p.type)]
        if kind == object_target:  # so that the task is not already done
            places = [place for place in places if place.type != parent_target]
        if not places and kind == object_target:
            return None
        things += [_thing(rng, kind, _choose(rng, places)) for _ in range(count if places else 0)]
    if is_look:
        places = [place for place in receptacles if place.type in _LAMP_PLACES]
        things.append(_thing(rng, _LAMP, _choose(rng, places)))
    return Scene(
        task_type=task_type,
        number=number,
        receptacles=receptacles,
        things=tuple(sorted(things, key=lambda thing: thing.id)),
        object_target=object_target,
        parent_target=parent_target,
        toggle_target=_LAMP if is_look else "",
    )


@cache
def scene_numbers(task_type: str, split: str) -> tuple[int, ...]:
    """Return the floor plans for games of a type and split."""
    constants = package_constants("gen/constants.py")
    seen = split != "valid_unseen"
    numbers = constants.TRAIN_SCENE_NUMBERS if seen else constants.TEST_SCENE_NUMBERS
    rooms = sorted(constants.GOALS_VALID[task_type])
    allowed = {number for room in rooms for number in constants.SCENE_TYPE[room]}
    return tuple(number for number in numbers if number in allowed and _is_fit(number, task_type))


def _is_fit(number: int, task_type: str) -> bool:
    kinds = json.loads(_layout(number, "objects"))
    if task_type == "look_at_obj_in_light":
        return _LAMP in kinds and any(place in kinds for place in _LAMP_PLACES)
    return task_type not in _TREATMENTS or _TREATMENTS[task_type][1] in kinds


@cache
def _layout(number: int, what: str) -> str:
    return package_file(f"gen/layouts/FloorPlan{number}-{what}.json").read_text()


def _draw_receptacles(
    rng: np.random.Generator, number: int, kinds: frozenset[str]
) -> tuple[Receptacle, ...]:
    """Draw receptacles with known positions (at most a few per type), and invented ones."""
    by_type: dict[str, list[Receptacle]] = {}
    for id_, (x, z, rotation, horizon) in sorted(json.loads(_layout(number, "openable")).items()):
        kind = _receptacle_type(id_)
        if _can_contain(kind):
            # In units of ALFRED's grid: 25 cm and quarter turns.
            location = f"loc|{int(x * 4)}|{int(z * 4)}|{int(rotation) // 90}|{int(horizon)}"
            by_type.setdefault(kind, []).append(Receptacle(id_, kind, location))
    for kind in _INVENTED:
        if kind in kinds and kind not in by_type:
            most = 1 if kind in _ONE_OF_ITS_KIND else MAX_INVENTED_PER_TYPE
            by_type[kind] = [_invent(rng, kind) for _ in range(int(rng.integers(1, most + 1)))]
    drawn = []
    for kind in sorted(by_type):
        places = by_type[kind]
        order = rng.permutation(len(places))[:MAX_RECEPTACLES_PER_TYPE]
        drawn += [places[index] for index in sorted(order)]
    return tuple(drawn)


def _receptacle_type(id_: str) -> str:
    parts = id_.split("|")
    return parts[-1] if parts[-1].isalpha() else parts[0]  # Sink|...|SinkBasin


def _invent(rng: np.random.Generator, kind: str) -> Receptacle:
    """Draw a receptacle at a location outside all floor plans, whose grids stay within 40."""
    x, z, rotation = (int(rng.integers(*bounds)) for bounds in ((50, 1000), (50, 1000), (0, 4)))
    suffix = f"|{kind}" if kind.endswith("Basin") else ""
    stem = kind.removesuffix("Basin")
    return Receptacle(f"{_draw_id(rng, stem)}{suffix}", kind, f"loc|{x}|{z}|{rotation}|30")


def _draw_target(
    rng: np.random.Generator, task_type: str, kinds: frozenset[str], places: set[str]
) -> tuple[str, str] | None:
    """Draw the type of the object and of the receptacle to put it in."""
    portable = _portable(kinds)
    if task_type == "look_at_obj_in_light":
        reachable = [kind for kind in portable if any(kind in _can_contain(p) for p in places)]
        return (_choose(rng, reachable), "") if reachable and places & {*_LAMP_PLACES} else None
    need, tool = _TREATMENTS.get(task_type, (None, None))
    if tool is not None and tool not in places:
        return None
    pairs = [
        (kind, place)
        for kind in portable
        if need is None or kind in _actions()[need]
        for place in sorted(places - {tool})
        if kind in _can_contain(place)
    ]
    return _choose(rng, pairs) if pairs else None


def _draw_object_types(rng: np.random.Generator, kinds: frozenset[str], target: str) -> list[str]:
    others = [kind for kind in _portable(kinds) if kind != target]
    order = rng.permutation(len(others))[: MAX_OBJECT_TYPES - 1]
    return sorted([target, *(others[index] for index in order)])


def _draw_count(rng: np.random.Generator, kind: str, target: str, task_type: str) -> int:
    least = 2 if kind == target and task_type == "pick_two_obj_and_place" else 1
    return int(rng.integers(least, MAX_OBJECTS_PER_TYPE + 1))


def _portable(kinds: frozenset[str]) -> list[str]:
    """Return the kinds of objects in a scene that a receptacle can contain."""
    constants = package_constants("gen/constants.py")
    held = {kind for contents in constants.VAL_RECEPTACLE_OBJECTS.values() for kind in contents}
    fixed = set(constants.RECEPTACLES) - set(constants.MOVABLE_RECEPTACLES)
    return sorted((kinds & held) - fixed - {"Box"})  # a box is a place in ALFRED's floor plans


def _can_contain(receptacle_type: str) -> frozenset[str]:
    table = package_constants("gen/constants.py").VAL_RECEPTACLE_OBJECTS
    return frozenset(table.get(receptacle_type, ()))


def _actions() -> Any:
    return package_constants("gen/constants.py").VAL_ACTION_OBJECTS


def _thing(rng: np.random.Generator, kind: str, place: Receptacle) -> Thing:
    return Thing(_draw_id(rng, kind), kind, place)


def _draw_id(rng: np.random.Generator, stem: str) -> str:
    """Draw an id in ALFRED's format: the kind and a position in metres."""
    x, y, z = (rng.integers(low, high) / 100 for low, high in ((-300, 300), (0, 200), (-300, 300)))
    return f"{stem}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}"


def _choose(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]
