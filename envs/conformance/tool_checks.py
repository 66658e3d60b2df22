"""Remarks of ``check_env`` on an environment's tools: what the model is told, and what fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..contract import TOOL_ERROR, TOOL_RESULTS
from ..tools.call_space import parameters_of
from .env_probe import Episode

_FEWEST_CALLS = 3
_KINDS = ("type", "enum", "anyOf")  # one of which says what a parameter is


def tool_remarks(schemas: Sequence[Mapping[str, Any]], episodes: Sequence[Episode]) -> list[str]:
    """List the tools that are hardly described, and those that failed whenever they were called.

    Args:
        schemas: The tools, in OpenAI's form.
        episodes: Episodes of random play.
    """
    functions = [one["function"] for one in schemas]
    return [*(note for one in functions for note in _of_schema(one)), *_of_calls(episodes)]


def _of_schema(function: Mapping[str, Any]) -> Iterator[str]:
    name = function["name"]
    if not function.get("description"):
        yield f"the tool {name!r} has no docstring, so the model is told nothing but its name."
    for parameter, schema in parameters_of(function).get("properties", {}).items():
        if not any(kind in schema for kind in _KINDS):
            yield (
                f"the parameter {parameter!r} of the tool {name!r} has no type hint, so the model"
                " is not told what it takes, and nothing is checked."
            )


def _of_calls(episodes: Sequence[Episode]) -> Iterator[str]:
    results = defaultdict[str, list[str]](list)
    for episode in episodes:
        for turn in episode.turns:
            for one in turn.info.get(TOOL_RESULTS, ()):
                results[one["name"]].append(one["content"])
    for name, contents in results.items():
        if len(contents) >= _FEWEST_CALLS and all(map(_is_error, contents)):
            yield (
                f"the tool {name!r} answered with an error in all {len(contents)} calls of random"
                f" play; is it broken? At last: {contents[-1][:200]}"
            )


def _is_error(content: str) -> bool:
    return content.startswith(TOOL_ERROR)
