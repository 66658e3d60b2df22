"""The generator of game n of a task type: drawn from a seed, solved by the planner, then played."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend import translate
from ..engine import Engine
from ..game import read_game
from ..libraries import borrow_library, return_library
from ..pddl_goals import TASK_TYPES
from .problem import game_data, problem_text, trajectory_data
from .scene import SPLITS, Scene, draw_scene

GENERATOR_VERSION = 1
"""Part of the cache's name; raise it when a change makes the same number a different game."""

_MAX_DRAWS = 100


@dataclass(frozen=True, slots=True)
class GeneratedGame:
    """A game, with its names in ALFWorld's folder layout.

    Attributes:
        folder: Folder name, such as "pick_and_place_simple-Mug-None-Desk-308".
        trial: Trial name, such as "trial_G00001_000012".
        data: Content of ``game.tw-pddl``, with its walkthrough.
        trajectory: Content of ``traj_data.json``.
    """

    folder: str
    trial: str
    data: dict[str, Any]
    trajectory: dict[str, Any]


def generate_game(task_type: str, number: int, *, split: str = "train") -> GeneratedGame:
    """Make a game, which takes about a second. The arguments alone determine every byte.

    The planner gets only the part of the room that the task involves, because it can take a minute
    for two objects in a whole room. Its plan is then played on the whole game and must win with the
    last step.

    Args:
        task_type: One of ``TASK_TYPES``.
        number: Any non-negative number.
        split: "train", "valid_seen" or "valid_unseen"; each has different games, and the last has
            different rooms.

    Raises:
        ValueError: An argument is out of range.
    """
    if task_type not in TASK_TYPES or split not in SPLITS or number < 0:
        raise ValueError(
            f"There is no generated game {number} of {task_type!r} in {split!r}. Task types are "
            f"{', '.join(TASK_TYPES)}; splits are {', '.join(SPLITS)}; numbers count from 0."
        )
    name = f"{split}/{task_type}/{number}"
    digest = hashlib.sha256(name.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    for _ in range(_MAX_DRAWS):
        scene = draw_scene(rng, task_type, split)
        template = int(rng.integers(2))
        if scene is None:
            continue
        data = game_data(scene, template)
        walkthrough = _solve(scene, data)
        if walkthrough is None:
            continue
        trial = f"trial_G{GENERATOR_VERSION:05d}_{number:06d}"
        target = scene.parent_target or scene.toggle_target
        return GeneratedGame(
            folder=f"{task_type}-{scene.object_target}-None-{target}-{scene.number}",
            trial=trial,
            data={**data, "walkthrough": walkthrough},
            trajectory=trajectory_data(scene, template, trial),
        )
    raise RuntimeError(f"{_MAX_DRAWS} draws gave no game for {name}. This is a bug: report it.")


def _solve(scene: Scene, data: dict[str, Any]) -> list[str] | None:
    """Return the commands of a plan whose last one wins the game, or None if there is no plan."""
    plan = _plan(problem_text(_relevant_part(scene)), data["pddl_domain"])
    game = read_game(data)
    engine = Engine()
    try:
        engine.start(game)
        commands = []
        for action, *arguments in plan:
            fitting = (
                operator.command
                for operator in engine.operators
                if operator.action == action and list(operator.arguments) == arguments
            )
            command = next(fitting, None)
            if command is None or engine.has_won:
                return None
            engine.execute(command)
            commands.append(command)
        return commands if engine.has_won else None
    finally:
        engine.close()


def _relevant_part(scene: Scene) -> Scene:
    """Keep only the objects of the task's types and the receptacles that matter for them."""
    kinds = {scene.object_target, scene.toggle_target}
    things = tuple(thing for thing in scene.things if thing.type in kinds)
    places = {thing.place for thing in things}
    wanted = {scene.parent_target, "SinkBasin", "Microwave", "Fridge"}
    receptacles = tuple(
        place for place in scene.receptacles if place in places or place.type in wanted
    )
    return replace(scene, things=things, receptacles=receptacles)


def _plan(problem: str, domain: str) -> Sequence[list[str]]:
    """Solve a problem with Fast Downward; return its operators as words, or [] if unsolvable."""
    import fast_downward

    _, sas = translate(domain, problem)
    _, search_sas = translate(domain, problem, for_search=True)
    library = borrow_library()
    try:
        library.load_sas(sas)
        library.load_sas_replan(search_sas)
        if not library.replan(False):
            return []
        operators = (fast_downward.Operator * library.get_last_plan_length())()
        library.get_last_plan(operators)
        return [operator.name.split() for operator in operators]
    finally:
        return_library(library)
