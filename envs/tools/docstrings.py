"""What a docstring says of a function and its parameters: Google's style, NumPy's or Sphinx's."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

_HEADINGS = (
    "args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?|attributes"
    "|other parameters|see also|references|warnings?"
)
_GOOGLE = re.compile(rf"(?im)^({_HEADINGS}):[ \t]*$")
_NUMPY = re.compile(rf"(?im)^({_HEADINGS})[ \t]*\n-{{3,}}[ \t]*$")
_SPHINX = re.compile(r"(?m)^:(\w+)(?:[ \t]+([^:\n]+))?:[ \t]*(.*(?:\n[ \t]+.*)*)")
_OF_PARAMETERS = ("args", "arguments", "parameters", "params")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)", re.DOTALL)
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w+)(?:\s*:[^\n]*)?\n?(.*)", re.DOTALL)


def read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the description of a function and those of its parameters, each on one line.

    The description is what comes before the first section. Both are empty without a docstring.
    """
    text = inspect.getdoc(function) or ""
    matches = [pattern.search(text) for pattern in (_GOOGLE, _NUMPY, _SPHINX)]
    found = [match for match in matches if match]
    if not found:
        return _one_line(text), {}
    first = min(found, key=lambda match: match.start())
    return _one_line(text[: first.start()]), dict(_parameters(text[first.start() :], first.re))


def _parameters(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    if pattern is _SPHINX:
        for match in _SPHINX.finditer(text):
            if match[1] in ("param", "parameter", "arg") and match[2]:
                yield match[2].split()[-1], _one_line(match[3])
        return
    entry = _ENTRY if pattern is _GOOGLE else _NUMPY_ENTRY
    headings = list(pattern.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading[1].lower() not in _OF_PARAMETERS:
            continue
        section = text[heading.end() : following.start() if following else len(text)]
        for block in re.split(r"\n(?=\S)", inspect.cleandoc(section)):
            described = entry.match(block)
            if described:
                yield described[1], _one_line(described[2])


def _one_line(text: str) -> str:
    return " ".join(text.split())
