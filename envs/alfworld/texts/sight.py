"""The player's view: the first observation, and the identity of the state (the anchor)."""

from __future__ import annotations

from ..engine import Engine

_BANNER = "-= Welcome to TextWorld, ALFRED! =-"
_TASK = "Your task is to:"
_CONDITIONS = {
    "isclean": "clean",
    "ishot": "hot",
    "iscool": "cool",
    "issliced": "sliced",
    "istoggled": "on",
}


def first_observation(intro: str) -> str:
    """Remove the banner and the task, which the prompt states itself, from the game's intro."""
    return intro.partition(_TASK)[0].replace(_BANNER, "").strip()


def describe_state(engine: Engine) -> str:
    """Describe what the player sees in the current place and holds.

    Unlike the game's last answer ("Nothing happens."), the description is the same whenever the
    player is in the same situation, and it says whether the held object is clean, hot or cool.
    """
    world = engine.world
    here = {location for _, location in world["atlocation"]}
    places = sorted(place for place, location in world["receptacleatlocation"] if location in here)
    lines = [_describe_place(place, engine) for place in places] or ["in the middle of the room"]
    held = sorted(thing for _, thing in world["holds"])
    lines.append(f"holding: {', '.join(_describe(thing, engine) for thing in held) or 'nothing'}")
    return "\n".join(lines)


def _describe_place(place: str, engine: Engine) -> str:
    world, name = engine.world, engine.game.entities[place].name
    if world.holds("openable", place) and not world.holds("opened", place):
        return f"{name} (closed)"
    inside = sorted(thing for thing, where in world["inreceptacle"] if where == place)
    contents = ", ".join(_describe(thing, engine) for thing in inside) or "nothing"
    return f"{name}: {contents}"


def _describe(thing: str, engine: Engine) -> str:
    conditions = [word for fact, word in _CONDITIONS.items() if engine.world.holds(fact, thing)]
    name = engine.game.entities[thing].name
    return f"{name} ({', '.join(conditions)})" if conditions else name
