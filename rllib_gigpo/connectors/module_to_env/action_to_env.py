"""Action text -> what the environment's action space takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import gymnasium as gym
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.errors import EnvContractError

SKIP_STEP: Final = object()
"""Stands for "nothing to execute": the environment is not stepped, the state stays as it is."""


class ActionToEnv(ConnectorV2):
    """Reads PARSED_ACTIONS, writes ENV_ACTIONS.

    A `Text` space gets the action's text; an answer without valid format gives the empty text, and
    the environment says what that means. A `Discrete` space gets the number of the action: its
    place in ``action_meanings``, else in the admissible actions, else the number itself; an answer
    that names none executes ``noop_action`` where there is one, else nothing.
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
        translate = self._number if isinstance(self._space, gym.spaces.Discrete) else self._text
        batch[columns.ENV_ACTIONS] = [
            translate(parsed, episode)
            for parsed, episode in zip(batch[columns.PARSED_ACTIONS], episodes, strict=True)
        ]
        return batch

    def _text(self, parsed: Any, episode: Any) -> str:
        return parsed.action

    def _number(self, parsed: Any, episode: Any) -> Any:
        if not parsed.is_format_valid:
            return self._noop
        name = parsed.action.strip().lower()
        if name in self._meanings:
            return self._start + self._meanings[name]
        admissible = [text.lower() for text in episode.get_infos(-1).get("admissible_actions", ())]
        if not self._meanings and name in admissible:
            return self._start + admissible.index(name)
        return self._numeral(name)

    def _numeral(self, name: str) -> Any:
        try:
            number = int(name)
        except ValueError:
            return self._noop
        return number if self._space.contains(number) else self._noop

    @property
    def _start(self) -> int:
        return int(getattr(self._space, "start", 0))
