"""The goal of a game, parsed from PDDL; ALFRED has six kinds, each with one pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""ALFWorld's task types, in ALFWorld's order (numbered from 1 there)."""

_KNOWN = frozenset(
    {
        *("and", "exists", "not", "=", "inreceptacle", "objecttype", "receptacletype", "holds"),
        *("cleanable", "heatable", "coolable", "isclean", "ishot", "iscool"),
        *("toggleable", "istoggled", "receptacleatlocation", "atlocation"),
    }
)
_OBJECT = re.compile(r"\(objecttype \?(\w+) (\w+)\)")
_RECEPTACLE = re.compile(r"\(receptacletype \?\w+ (\w+)\)")
_CONDITION = re.compile(r"\((isclean|ishot|iscool) ")
_PREDICATE = re.compile(r"\(([\w=]+)[\s(]")


@dataclass(frozen=True, slots=True)
class PddlGoal:
    """The goal of a game; types are entities of the PDDL, such as ``appletype``."""

    object_type: str
    count: int  # number of objects of the type: 1 or 2
    receptacle_type: str | None  # where to put them; None: hold one next to the lamp
    condition: str | None  # isclean, ishot or iscool
    lamp_type: str | None  # the lamp to switch on


def parse_goal(text: str) -> PddlGoal | None:
    """Read a goal.

    Args:
        text: PDDL in lower case, the part after ``(:goal``.

    Returns:
        The goal, or None if it is not one of the six kinds (sliced food, movable receptacles).
    """
    if not set(_PREDICATE.findall(text)) <= _KNOWN:
        return None
    objects = dict(_OBJECT.findall(text))  # variable -> type; "ot" is the lamp's
    lamp_type = objects.pop("ot", None)
    receptacle = _RECEPTACLE.search(text)
    condition = _CONDITION.search(text)
    if not objects or (receptacle is None) == (lamp_type is None):
        return None
    return PddlGoal(
        object_type=next(iter(objects.values())),
        count=len(objects),
        receptacle_type=receptacle[1] if receptacle else None,
        condition=condition[1] if condition else None,
        lamp_type=lamp_type,
    )
