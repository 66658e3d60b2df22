"""Action text -> what the environment's action space takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import gymnasium as gym
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.errors import EnvContractError

SKIP_STEP: Final = object()
"""Stands for "nothing to execute": the environment is not stepped, the state stays as it is."""


class ActionToEnv(ConnectorV2):
    """Reads PARSED_ACTIONS, writes ENV_ACTIONS, and corrects whether an action is admissible.

    A `Text` space gets the action's text; an answer without valid format gives the empty text, and
    the environment says what that means. A `Discrete` space gets the number of the action: its
    place in ``action_meanings``, else in the admissible actions, else the number itself; an answer
    that names none is not admissible, and executes ``noop_action`` if there is one, else nothing.
    """

    def __init__(
        self,
        action_space: gym.Space,
        *,
        action_meanings: Sequence[str] | None = None,
        noop_action: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Choose by space.

        Args:
            action_space: `Text` or `Discrete`.
            action_meanings: Names of a Discrete space's actions, by number.
            noop_action: Number of the action that does nothing.
            **kwargs: `ConnectorV2`.

        Raises:
            EnvContractError: The space is neither.
        """
        super().__init__(**kwargs)
        if not isinstance(action_space, gym.spaces.Text | gym.spaces.Discrete):
            raise EnvContractError(
                f"The action space {action_space} is neither Text nor Discrete, so text cannot be"
                " turned into its actions. Wrap the environment with gymnasium.wrappers."
                "TransformAction and a Text space."
            )
        self._space = action_space
        self._meanings = {name.lower(): index for index, name in enumerate(action_meanings or ())}
        self._noop = SKIP_STEP if noop_action is None else noop_action

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Translate every action."""
        parsed = batch[columns.PARSED_ACTIONS]
        if isinstance(self._space, gym.spaces.Text):
            batch[columns.ENV_ACTIONS] = [one.action for one in parsed]
            return batch
        numbers = [
            self._number(one, episode) for one, episode in zip(parsed, episodes, strict=True)
        ]
        batch[columns.PARSED_ACTIONS] = [
            one if number is not None else replace(one, is_admissible=False)
            for one, number in zip(parsed, numbers, strict=True)
        ]
        batch[columns.ENV_ACTIONS] = [
            self._noop if number is None else number for number in numbers
        ]
        return batch

    def _number(self, parsed: Any, episode: Any) -> int | None:
        """The number of the action that is named, if any."""
        if not parsed.is_format_valid:
            return None
        name = parsed.action.strip().lower()
        if name in self._meanings:
            return self._start + self._meanings[name]
        admissible = [text.lower() for text in episode.get_infos(-1).get("admissible_actions", ())]
        if not self._meanings and name in admissible:
            return self._start + admissible.index(name)
        return self._numeral(name)

    def _numeral(self, name: str) -> int | None:
        try:
            number = int(name)
        except ValueError:
            return None
        return number if self._space.contains(number) else None

    @property
    def _start(self) -> int:
        return int(getattr(self._space, "start", 0))
