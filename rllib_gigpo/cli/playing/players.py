"""Who plays in `rllib play`: a person at the terminal, the environment's expert, or chance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import EnvContractError

if TYPE_CHECKING:
    from gymnasium import spaces


class Quit(Exception):  # noqa: N818 - no error: the person has had enough
    """The person at the terminal wants to stop."""


class Player(ABC):
    """Chooses an action in each turn."""

    @abstractmethod
    def choose(self, info: Mapping[str, Any]) -> Any:
        """Return the action of this turn: text, or of what the action space is.

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
    """Draws among the admissible actions, or from the action space where none are named.

    Words of the task fill what an action leaves open, as in ``check_env``.
    """

    def __init__(self, seed: int, action_space: spaces.Space) -> None:
        from rllib_gigpo.envs.conformance.env_probe import random_policy

        self._draw = random_policy(action_space, seed)

    def choose(self, info: Mapping[str, Any]) -> Any:
        """Return an action."""
        return self._draw(info)


def make_player(name: str, seed: int, action_space: spaces.Space) -> Player:
    """Build the player of a name: "person", "expert" or "random"."""
    players: dict[str, Callable[[], Player]] = {
        "person": Person,
        "expert": Expert,
        "random": lambda: Chance(seed, action_space),
    }
    return players[name]()


def _by_number(line: str, actions: Sequence[str]) -> str:
    if line in actions:
        return line
    if line.isdecimal() and len(line) < 6 and 1 <= int(line) <= len(actions):
        return str(actions[int(line) - 1])
    return line
