"""Environment -> text: the latest observation of each episode as a string."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2.exceptions import SecurityError
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.envs.info_fence import described, shown, text_of
from rllib_gigpo.errors import ConfigError, EnvContractError
from rllib_gigpo.prompting.template import sandbox

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


def text_reader(observation_to_text: Callable[[Any], str] | str | None) -> Callable[[Any], str]:
    """Return the function that turns an observation into text.

    The returned function raises an EnvContractError if its result is not text.
    """
    if isinstance(observation_to_text, str):
        return _template_reader(observation_to_text)

    def read(observation: Any) -> str:
        text = observation if observation_to_text is None else observation_to_text(observation)
        if not isinstance(text, str):
            raise EnvContractError(
                f"The observation is not text but {type(text).__name__}: {shown(text)}. Set"
                " config.prompting(observation_to_text=...) to a function from an observation to a"
                " string, or to a Jinja template over the keys of a Dict observation."
            )
        return valid_text(text)

    return read


def _template_reader(source: str) -> Callable[[Any], str]:
    template = sandbox().from_string(source)

    def read(observation: Any) -> str:
        try:
            return valid_text(template.render(**observation))
        except SecurityError as error:
            raise ConfigError(
                f"The template observation_to_text={source[:80]!r} may not do this: {error}. A"
                " template reads the observation's keys; use a function for anything else."
            ) from error

    return read
