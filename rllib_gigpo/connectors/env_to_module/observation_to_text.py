"""Environment -> text: the latest observation of each episode as a string."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.envs.info_fence import described, text_of
from rllib_gigpo.errors import ConfigError, EnvContractError
from rllib_gigpo.prompting.contents.text_reader import text_reader

_FAILED = "config.prompting(observation_to_text=...) cannot read the observation:"


class ObservationToText(ConnectorV2):
    """Connector that writes OBSERVATION_TEXT.

    If the shared data has a dict OBSERVATION_FAULTS, an observation that does not become text is
    noted there instead of raising, and its text is empty: it costs one group, not the batch.
    """

    def __init__(
        self, observation_to_text: Callable[[Any], str] | str | None = None, **kwargs: Any
    ) -> None:
        """Store how observations become text.

        Args:
            observation_to_text: A function from an observation to text, or Jinja source for a Dict
                observation (its keys are the variables); None for observations that are strings.
            **kwargs: Passed to `ConnectorV2`.
        """
        super().__init__(**kwargs)
        self._to_text = text_reader(observation_to_text)

    def __call__(
        self,
        *,
        batch: dict[str, Any],
        episodes: list[Any],
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Convert the latest observation of every episode."""
        faults = (shared_data or {}).get(columns.OBSERVATION_FAULTS)
        batch[columns.OBSERVATION_TEXT] = [self._text_of(episode, faults) for episode in episodes]
        return batch

    def _text_of(self, episode: Any, faults: dict[str, str] | None) -> str:
        try:
            return self._to_text(episode.get_observations(-1))
        except ConfigError:
            raise
        except Exception as error:  # the user's function may raise anything
            if faults is None:
                raise
            is_told = isinstance(error, EnvContractError)
            faults[episode.id_] = text_of(error) if is_told else f"{_FAILED} {described(error)}"
            return ""
