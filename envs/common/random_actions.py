"""Draws an action at random: for ``check_env``, ``rllib play --as random`` and warm starts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from ..contract import ADMISSIBLE_ACTIONS, TASK

_PLACEHOLDER = re.compile(r"<[^<>]*\s[^<>]*>")  # as the action parser reads it, see the contract
_WORD = re.compile(r"\w+")
_MOST_WORDS = 3


def draw_action(info: Mapping[str, Any], rng: random.Random) -> Any:
    """Return one of the admissible actions, with its placeholders filled; None without any.

    Typed literally, "search[<your query>]" would find nothing: words of the task stand in its
    place, so that random play sees what an agent sees.
    """
    actions = info.get(ADMISSIBLE_ACTIONS)
    if not actions:
        return None
    action = rng.choice(list(actions))
    if not isinstance(action, str):  # check_env tells; it is played as it is
        return action
    return fill_placeholders(action, str(info.get(TASK, "")), rng)


def has_placeholder(action: str) -> bool:
    """Whether the action holds a place for words of one's own, such as <your query>."""
    return _PLACEHOLDER.search(action) is not None


def fill_placeholders(action: str, task: str, rng: random.Random) -> str:
    """Put one to three words of the task in the place of each placeholder such as <your query>.

    Without a task, the placeholder's own words are taken.
    """

    def words(match: re.Match[str]) -> str:
        known = _WORD.findall(task) or _WORD.findall(match[0]) or ["anything"]
        count = rng.randint(1, min(_MOST_WORDS, len(known)))
        return " ".join(rng.sample(known, count))

    return _PLACEHOLDER.sub(words, action)
