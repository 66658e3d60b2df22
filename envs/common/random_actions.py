"""Random actions for ``check_env``, ``rllib play --as random`` and warm starts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from ..contract import ADMISSIBLE_ACTIONS, TASK

_PLACEHOLDER = re.compile(r"<[^<>\s]*\s[^<>]*>")  # the action parser's rule; see the contract
_WORD = re.compile(r"\w+")
_MOST_WORDS = 3


def draw_action(info: Mapping[str, Any], rng: random.Random) -> Any:
    """Return one of the admissible actions with its placeholders filled, or None without any.

    Typed literally, "search[<your query>]" would find nothing, so words of the task replace the
    placeholder; random play then sees what an agent sees.
    """
    actions = info.get(ADMISSIBLE_ACTIONS)
    if not actions:
        return None
    action = rng.choice(list(actions))
    if not isinstance(action, str):  # check_env reports it; play it unchanged
        return action
    return fill_placeholders(action, str(info.get(TASK, "")), rng)


def has_placeholder(action: str) -> bool:
    """Return whether the action has a placeholder for free text, such as <your query>."""
    return _PLACEHOLDER.search(action) is not None


def fill_placeholders(action: str, task: str, rng: random.Random) -> str:
    """Replace each placeholder, such as <your query>, by one to three words of the task.

    Without a task, use the placeholder's own words.
    """

    def words(match: re.Match[str]) -> str:
        known = _WORD.findall(task) or _WORD.findall(match[0]) or ["anything"]
        count = rng.randint(1, min(_MOST_WORDS, len(known)))
        return " ".join(rng.sample(known, count))

    return _PLACEHOLDER.sub(words, action)
