"""Who plays in `rllib play`: a person at the terminal, the environment's expert, or chance."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rllib_gigpo.errors import EnvContractError


class Quit(Exception):  # noqa: N818 - no error: the person has had enough
    """The person at the terminal wants to stop."""


class Player(ABC):
    """Chooses an action in each turn."""

    @abstractmethod
    def choose(self, info: Mapping[str, Any]) -> str:
        """Return the action of this turn.

        Args:
            info: What the environment says beside the observation.
        """


class Person(Player):
    """Asks at the terminal; a number chooses among the admissible actions by position.

    Where numbers are actions themselves, as in a formula game, a number is that action.
    """

    def __init__(self, ask: Callable[[str], str] | None = None) -> None:
        self._ask = ask or input

    def choose(self, info: Mapping[str, Any]) -> str:
        """Read one line.

        Raises:
            Quit: "quit", or the end of the input.
        """
        try:
            line = self._ask("action (number or text, quit)> ").strip()
        except EOFError:
            raise Quit from None
        if line == "quit":
            raise Quit
        return _by_number(line, info.get("admissible_actions") or ())


class Expert(Player):
    """Does what the environment's ``expert_action`` says."""

    def choose(self, info: Mapping[str, Any]) -> str:
        """Return the expert's action.

        Raises:
            EnvContractError: The environment names none in this state.
        """
        action = info.get("expert_action")
        if action is None:
            raise EnvContractError(
                "The environment gives no info['expert_action'] here: play with --as person or"
                " --as random."
            )
        return str(action)


class Chance(Player):
    """Draws among the admissible actions; words of the task fill what they leave open."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def choose(self, info: Mapping[str, Any]) -> str:
        """Return an admissible action.

        Raises:
            EnvContractError: The environment names none.
        """
        from rllib_gigpo.envs.random_actions import draw_action

        action = draw_action(info, self._rng)
        if action is None:
            raise EnvContractError(
                "The environment names no admissible actions to draw from: play with --as person"
                " or --as expert."
            )
        return str(action)


def make_player(name: str, seed: int) -> Player:
    """Build the player of a name: "person", "expert" or "random"."""
    players: dict[str, Callable[[], Player]] = {
        "person": Person,
        "expert": Expert,
        "random": lambda: Chance(seed),
    }
    return players[name]()


def _by_number(line: str, actions: Sequence[str]) -> str:
    if line in actions:
        return line
    if line.isdecimal() and len(line) < 6 and 1 <= int(line) <= len(actions):
        return str(actions[int(line) - 1])
    return line
