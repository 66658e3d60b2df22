"""A drawn scene as ALFWorld game data: PDDL, task sentence, trajectory description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..backend import package_constants, package_file
from .scene import Scene, Thing

_START = "loc|0|0|0|30"
_ABILITIES = {
    "Cleanable": "cleanable",
    "Heatable": "heatable",
    "Coolable": "coolable",
    "Toggleable": "toggleable",
    "Sliceable": "sliceable",
}


def game_data(scene: Scene, template: int) -> dict[str, Any]:
    """Return the content of a game file without a plan; ``template`` picks the task sentence."""
    task = task_sentence(scene, template)
    grammar = package_file("data/alfred.twl2").read_text()
    return {
        "pddl_domain": package_file("data/alfred.pddl").read_text(),
        "grammar": grammar.replace("UNKNOWN GOAL", task),
        "pddl_problem": problem_text(scene),
        "solvable": True,
        "walkthrough": None,
    }


def trajectory_data(scene: Scene, template: int, name: str) -> dict[str, Any]:
    """Return the parts of a ``traj_data.json`` that ALFWorld reads."""
    return {
        "task_id": name,
        "task_type": scene.task_type,
        "pddl_params": {
            "object_target": scene.object_target,
            "parent_target": scene.parent_target,
            "toggle_target": scene.toggle_target,
            "mrecep_target": "",
            "object_sliced": False,
        },
        "scene": {"floor_plan": f"FloorPlan{scene.number}", "scene_num": scene.number},
        "turk_annotations": {"anns": [{"task_desc": task_sentence(scene, template)}]},
    }


def task_sentence(scene: Scene, template: int) -> str:
    """Return the task in words, from one of ALFWorld's sentence templates for its type."""
    templates = package_constants("gen/goal_library.py").gdict[scene.task_type]["templates"]
    sentence: str = templates[template % len(templates)]
    return sentence.format(
        obj=scene.object_target.lower(),
        recep=scene.parent_target.lower(),
        toggle=scene.toggle_target.lower(),
    )


def problem_text(scene: Scene) -> str:
    """Return the PDDL problem of a scene."""
    goal = package_constants("gen/goal_library.py").gdict[scene.task_type]["pddl"]
    goal = goal.replace("#", "-").format(
        obj=scene.object_target, recep=scene.parent_target, toggle=scene.toggle_target
    )
    objects = "\n  ".join(_declarations(scene))
    facts = "\n  ".join(f"({fact})" for fact in _facts(scene))
    return (
        f"(define (problem generated)\n(:domain alfred)\n(:objects\n  {objects}\n)\n"
        f"(:init\n  {facts}\n)\n{goal}"  # the goal closes the problem's parenthesis
    )


def pddl_id(alfred_id: str) -> str:
    """Write one of ALFRED's ids in the characters that PDDL allows."""
    for sign, word in (("-", "minus"), ("|", "bar"), ("+", "plus"), (".", "dot")):
        alfred_id = alfred_id.replace(sign, f"_{word}_")
    return alfred_id


def _declarations(scene: Scene) -> Iterator[str]:
    yield "agent1 - agent"
    yield from (f"{kind}Type - otype" for kind in _object_types(scene))
    yield from (f"{kind}Type - rtype" for kind in _receptacle_types(scene))
    yield from (f"{pddl_id(thing.id)} - object" for thing in scene.things)
    yield from (f"{pddl_id(place.id)} - receptacle" for place in scene.receptacles)
    locations = sorted({_START, *(place.location for place in scene.receptacles)})
    yield from (f"{pddl_id(location)} - location" for location in locations)


def _facts(scene: Scene) -> Iterator[str]:
    constants = package_constants("gen/constants.py")
    for place in scene.receptacles:
        id_ = pddl_id(place.id)
        yield f"receptacleType {id_} {place.type}Type"
        yield f"receptacleAtLocation {id_} {pddl_id(place.location)}"
        if place.type in constants.OPENABLE_CLASS_SET:
            yield f"openable {id_}"
    for receptacle_type in _receptacle_types(scene):
        contents = constants.VAL_RECEPTACLE_OBJECTS[receptacle_type]
        for object_type in _object_types(scene):
            if object_type in contents:
                yield f"canContain {receptacle_type}Type {object_type}Type"
    for thing in scene.things:
        yield from _facts_of(thing)
    yield f"atLocation agent1 {pddl_id(_START)}"


def _facts_of(thing: Thing) -> Iterator[str]:
    constants = package_constants("gen/constants.py")
    id_ = pddl_id(thing.id)
    yield f"objectType {id_} {thing.type}Type"
    abilities = [
        fact
        for ability, fact in _ABILITIES.items()
        if thing.type in constants.VAL_ACTION_OBJECTS[ability]
    ]
    yield from (f"{fact} {id_}" for fact in abilities)
    if "toggleable" not in abilities:  # lamps stay where they are
        yield f"pickupable {id_}"
    if thing.type in constants.MOVABLE_RECEPTACLES_SET:
        yield f"isReceptacleObject {id_}"
    yield f"inReceptacle {id_} {pddl_id(thing.place.id)}"
    yield f"objectAtLocation {id_} {pddl_id(thing.place.location)}"


def _object_types(scene: Scene) -> list[str]:
    return sorted({thing.type for thing in scene.things})


def _receptacle_types(scene: Scene) -> list[str]:
    return sorted({place.type for place in scene.receptacles})
