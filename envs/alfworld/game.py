"""A game file, read and translated: the parts of a game that do not change during play."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .backend import ALFWORLD_LOCK, entity_names, translate
from .texts.expressions import Entity
from .texts.grammar import Grammar
from .world import Fact, Placeholder

_KEYS = ("pddl_domain", "grammar", "pddl_problem")
_NEEDED_FACTS = ("receptacleatlocation", "receptacletype", "objecttype", "cancontain")
_CACHED_GAMES = 64  # of about 1 MB each; a group of episodes plays one game many times


@dataclass(frozen=True, slots=True)
class Operator:
    """An action with its arguments, applicable now."""

    id: int = field(compare=False)  # in the planner's library; an action may have several
    action: str  # name in the PDDL, such as gotolocation
    arguments: tuple[str, ...]  # entity ids, in the order of the action's parameters
    command: str  # the player's text, such as go to fridge 1


@dataclass(frozen=True, slots=True)
class Game:
    """One game, shared by all environments of the process that play it."""

    grammar: Grammar
    sas: bytes  # the planner library's input
    parameters: Mapping[str, tuple[Placeholder, ...]]  # of each action, in the PDDL's order
    fixed_commands: frozenset[str]  # actions whose command is the same in every state
    entities: Mapping[str, Entity]  # by id
    facts: Mapping[str, frozenset[Fact]]  # at the start, by predicate
    goal: str  # PDDL text
    walkthrough: tuple[str, ...]  # a plan from the start; may be empty
    # Operators of actions with fixed commands, by id; engines share them because they never change.
    operators: dict[int, Operator] = field(default_factory=dict, compare=False)


def load_game(path: Path) -> Game:
    """Return the game in a file, from memory if this process has read it before.

    Raises:
        ValueError: The file is missing or is not a game.
    """
    try:
        stat = path.stat()
        with ALFWORLD_LOCK:
            return _load(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, RecursionError, ValueError) as error:
        raise ValueError(
            f"{path} is not an ALFWorld game: {error}. Download or generate it again "
            "(rllib make-alfworld-games), or remove it from the folder."
        ) from error


@lru_cache(maxsize=_CACHED_GAMES)
def _load(path: Path, mtime_ns: int, size: int) -> Game:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    missing = [
        key for key in _KEYS if not (isinstance(data, dict) and isinstance(data.get(key), str))
    ]
    if missing:
        raise ValueError(f"it lacks the text of {', '.join(missing)}")
    return read_game(data)


def read_game(data: Mapping[str, Any]) -> Game:
    """Read and translate a game, which takes half a second.

    Args:
        data: The content of a game file: ``pddl_domain``, ``grammar``, ``pddl_problem`` and
            optionally ``walkthrough``.

    Raises:
        ValueError: A part cannot be read.
    """
    grammar = Grammar(data["grammar"])
    task, sas = translate(data["pddl_domain"], data["pddl_problem"])
    types = {thing.name: thing.type_name for thing in task.objects}
    facts: dict[str, set[Fact]] = {}
    for atom in task.init:
        if getattr(atom, "predicate", "=") != "=":  # neither a cost nor an identity
            facts.setdefault(atom.predicate, set()).add(tuple(atom.args))
    parameters = {
        action.name: tuple((p.name.strip("?"), p.type_name) for p in action.parameters)
        for action in task.actions
    }
    missing = [fact for fact in _NEEDED_FACTS if fact not in facts]
    missing += [action for action in parameters if action not in grammar.actions]
    if missing:
        raise ValueError(f"it does not define {', '.join(missing)}")
    _check_facts(facts, types, {p.name: len(p.arguments) for p in task.predicates})
    fluents = {e.literal.predicate for action in task.actions for e in action.effects}
    mentioned = {entity for held in facts.values() for fact in held for entity in fact}
    names = entity_names(mentioned)
    return Game(
        grammar=grammar,
        sas=sas,
        parameters=parameters,
        fixed_commands=frozenset(
            name for name in parameters if not fluents & grammar.predicates(name)
        ),
        entities={entity: Entity(entity, types[entity], names[entity]) for entity in mentioned},
        facts={predicate: frozenset(held) for predicate, held in facts.items()},
        goal=data["pddl_problem"].partition("(:goal")[2].lower(),
        walkthrough=_walkthrough(data),
    )


def _check_facts(
    facts: Mapping[str, set[Fact]], types: Mapping[str, str], arities: Mapping[str, int]
) -> None:
    """Raise a ValueError unless all facts use the domain's predicates and objects."""
    for predicate, held in facts.items():
        for fact in sorted(held):
            unknown = [entity for entity in fact if entity not in types]
            if unknown:
                raise ValueError(f"{predicate} names {unknown[0]!r}, which is not an object of it")
            if len(fact) != arities.get(predicate):
                raise ValueError(f"{predicate}({', '.join(fact)}) is not a fact of its domain")


def _walkthrough(data: Mapping[str, Any]) -> tuple[str, ...]:
    commands = data.get("walkthrough") or ()
    if not isinstance(commands, list | tuple) or not all(isinstance(c, str) for c in commands):
        raise ValueError("its walkthrough is not a list of commands")
    return tuple(commands)
