"""Action text -> action of the environment's action space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import gymnasium as gym
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.errors import EnvContractError

SKIP_STEP: Final = object()
"""Marks "nothing to execute": the environment is not stepped, and its state does not change."""


class ActionToEnv(ConnectorV2):
    """Connector that reads PARSED_ACTIONS, and writes ENV_ACTIONS.

    A `Text` space gets the text of the action; if the format is invalid, that text is empty, and
    the environment decides what it means. A `Discrete` space gets the number of the action: by its
    index in ``action_meanings`` or in the admissible actions, or as the number that the text
    spells. An answer that names no action becomes inadmissible in PARSED_ACTIONS; it executes
    ``noop_action`` if there is one, and otherwise nothing.
    """

    def __init__(
        self,
        action_space: gym.Space,
        *,
        action_meanings: Sequence[str] | None = None,
        noop_action: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Check the action space.

        Args:
            action_space: `Text` or `Discrete`.
            action_meanings: The names of a Discrete space's actions, by number.
            noop_action: The number of the action that does nothing; None if there is none.
            **kwargs: Passed to `ConnectorV2`.

        Raises:
            EnvContractError: The space is neither.
        """
        super().__init__(**kwargs)
        if not isinstance(action_space, gym.spaces.Text | gym.spaces.Discrete):
            raise EnvContractError(
                f"The action space {action_space} is neither Text nor Discrete, so text cannot be"
                " turned into its actions. Wrap the environment in gymnasium.wrappers."
                "TransformAction with a Text space."
            )
        self._space = action_space
        self._meanings = {name.lower(): index for index, name in enumerate(action_meanings or ())}
        self._noop = SKIP_STEP if noop_action is None else noop_action

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Convert every action."""
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
        """Return the number of the named action; None if there is none."""
        if not parsed.is_format_valid:
            return None
        name = parsed.action.strip().lower()
        if name in self._meanings:
            return self._start + self._meanings[name]
        actions = episode.get_infos(-1).get("admissible_actions", ())
        admissible = [text.strip().lower() for text in actions]
        if not self._meanings and name in admissible:
            return self._start + admissible.index(name)
        return self._numeral(name)

    def _numeral(self, name: str) -> int | None:
        try:
            number = int(name)
            return number if self._space.contains(number) else None
        except (ValueError, OverflowError):  # Discrete.contains takes 64 bits
            return None

    @property
    def _start(self) -> int:
        return int(getattr(self._space, "start", 0))
