"""Access to ALFWorld's own packages, with their side effects contained.

Their parsers are module globals, and the translator swaps ``sys.argv`` and ``sys.stdout`` while it
works, so one lock covers all of it. Nothing in those packages is patched: other code in this
process gets the stock engine.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

ALFWORLD_LOCK = threading.RLock()
"""Held while games are parsed, translated or planned; playing needs no lock."""


def check_installed() -> None:
    """Raise an ImportError that says what to install if ALFWorld or its planner is missing."""
    missing = [
        name
        for name in ("alfworld", "textworld", "fast_downward")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise ImportError(
            f"ALFWorld needs {', '.join(missing)}. "
            'Run pip install "rllib-gigpo[alfworld]" (Linux or macOS).'
        )


@cache
def alfworld_version() -> str:
    """Return the installed version; its constants determine the generated games."""
    check_installed()
    return importlib.metadata.version("alfworld")


@cache
def package_file(name: str) -> Path:
    """Return the path of a file inside the ``alfworld`` package, without importing it.

    Importing it creates a folder in the user's cache and sets ``ALFWORLD_DATA``.
    """
    check_installed()
    spec = importlib.util.find_spec("alfworld")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], name)


@cache
def package_constants(name: str) -> Any:
    """Run a module of constants inside ``alfworld``, such as "gen/constants.py", and return it."""
    spec = importlib.util.spec_from_file_location(f"_{Path(name).stem}", package_file(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def translate(domain: str, problem: str, *, for_search: bool = False) -> tuple[Any, bytes]:
    """Translate PDDL into the planner's input.

    Args:
        domain: PDDL text of the domain.
        problem: PDDL text of the problem.
        for_search: Whether to drop everything that no plan needs; if False, keep every action.

    Returns:
        The parsed task (``fast_downward.translate.pddl.Task``) and the SAS text.

    Raises:
        ValueError: The translator cannot read the texts.
    """
    import fast_downward

    with ALFWORLD_LOCK:
        argv = sys.argv
        try:
            task, sas = fast_downward.pddl2sas(domain, problem, optimize=for_search)
        except (Exception, SystemExit) as error:  # its parser raises anything, and even exits
            raise ValueError(f"the PDDL cannot be read: {type(error).__name__}: {error}") from error
        finally:
            sys.argv = argv
    return task, sas.encode()


def entity_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the game's name for each entity: id in the PDDL -> name such as "apple 2".

    This matches ALFWorld's ``Demangler`` without shuffling: entities of one kind are numbered
    downwards in the order of their ids.
    """
    ordered = sorted(ids)
    kinds = {entity: _kind(entity) for entity in ordered}
    left = {kind: list(kinds.values()).count(kind) for kind in set(kinds.values()) if kind}
    names = {}
    for entity in ordered:
        kind = kinds[entity]
        if kind is None:  # not an object in the room, but the agent or a type
            names[entity] = f"{_readable(entity)} "
            continue
        names[entity] = f"{kind} {left[kind]}"
        left[kind] -= 1
    return names


def _kind(entity: str) -> str | None:
    """Return the kind in an id such as ``apple_bar__plus_00_dot_59...``, or None without one."""
    kind, bar, _ = entity.partition("_bar_")
    if not bar:
        return None
    return f"{kind}basin" if "basin" in entity else kind


def _readable(entity: str) -> str:
    for word, sign in (("bar", "|"), ("minus", "-"), ("plus", "+"), ("dot", "."), ("comma", ",")):
        entity = entity.replace(f"_{word}_", sign)
    return entity
