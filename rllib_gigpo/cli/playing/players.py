"""Players of `rllib play`: a person at the terminal, the environment's expert, or a random one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import EnvContractError

if TYPE_CHECKING:
    import gymnasium
    from gymnasium import spaces


class Quit(Exception):  # noqa: N818 - not an error: the person stops playing
    """The person at the terminal wants to stop."""


class Player(ABC):
    """A player that chooses the action of each turn."""

    @abstractmethod
    def choose(self, info: Mapping[str, Any]) -> Any:
        """Return the action of this turn: text, or an element of the action space.

        Args:
            info: The info that the environment returned with the observation.
        """


class Person(Player):
    """A person at the terminal; a typed number picks an admissible action by its position.

    If the number is itself an admissible action, as in a formula game, it means that action.
    """

    def __init__(
        self,
        ask: Callable[[str], str] | None = None,
        *,
        read: Callable[[str], str] | None = None,
    ) -> None:
        """Ask at the terminal.

        Args:
            ask: Shows a prompt and returns a line; None for the terminal.
            read: Turns a line into an action, for environments that have a short form.
        """
        self._ask, self._read = ask or input, read

    def choose(self, info: Mapping[str, Any]) -> str:
        """Read one line.

        Raises:
            Quit: The line is "quit", or the input has ended.
        """
        try:
            line = self._ask("action (number or text, quit)> ").strip()
        except EOFError:
            raise Quit from None
        if line == "quit":
            raise Quit
        action = _by_number(line, info.get("admissible_actions") or ())
        return action if self._read is None else self._read(action)


class Expert(Player):
    """The environment's expert, which plays ``info["expert_action"]``."""

    def choose(self, info: Mapping[str, Any]) -> str:
        """Return the expert's action.

        Raises:
            EnvContractError: The environment names no expert action in this state.
        """
        action = info.get("expert_action")
        if action is None:
            raise EnvContractError(
                "The environment has no info['expert_action'] in this state; play with --as person"
                " or --as random."
            )
        return str(action)


class Chance(Player):
    """A random player: draws an admissible action, or from the action space if none are listed.

    Placeholders in an action are filled with words from the task, as in ``check_env``.
    """

    def __init__(self, seed: int, action_space: spaces.Space) -> None:
        from rllib_gigpo.envs.conformance.env_probe import random_policy

        self._draw = random_policy(action_space, seed)

    def choose(self, info: Mapping[str, Any]) -> Any:
        """Return a random action."""
        return self._draw(info)


def make_player(name: str, seed: int, env: gymnasium.Env) -> Player:
    """Build the player called ``name``: "person", "expert" or "random"."""
    read = getattr(env.unwrapped, "typed_action", None)
    players: dict[str, Callable[[], Player]] = {
        "person": lambda: Person(read=read),
        "expert": Expert,
        "random": lambda: Chance(seed, env.action_space),
    }
    return players[name]()


def _by_number(line: str, actions: Sequence[str]) -> str:
    if line in actions:
        return line
    if line.isdecimal() and len(line) < 6 and 1 <= int(line) <= len(actions):
        return str(actions[int(line) - 1])
    return line
