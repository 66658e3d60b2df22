"""Environment -> text: the newest observation of each episode as a string."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, StrictUndefined
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.errors import EnvContractError


class ObservationToText(ConnectorV2):
    """Writes the column OBSERVATION_TEXT."""

    def __init__(
        self, observation_to_text: Callable[[Any], str] | str | None = None, **kwargs: Any
    ) -> None:
        """Choose how observations are read.

        Args:
            observation_to_text: A callable from an observation to text, or Jinja source over a Dict
                observation (its keys are the variables); None for observations that are strings.
            **kwargs: `ConnectorV2`.
        """
        super().__init__(**kwargs)
        self._to_text = text_reader(observation_to_text)

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Read the newest observation of every episode."""
        batch[columns.OBSERVATION_TEXT] = [
            self._to_text(episode.get_observations(-1)) for episode in episodes
        ]
        return batch


def text_reader(observation_to_text: Callable[[Any], str] | str | None) -> Callable[[Any], str]:
    """The function that turns an observation into text.

    Raises:
        EnvContractError: From the returned function, when the result is not text.
    """
    if isinstance(observation_to_text, str):
        source = Environment(undefined=StrictUndefined, autoescape=False)
        template = source.from_string(observation_to_text)
        return lambda observation: template.render(**observation)

    def read(observation: Any) -> str:
        text = observation if observation_to_text is None else observation_to_text(observation)
        if not isinstance(text, str):
            raise EnvContractError(
                f"The observation is no text but {type(text).__name__}: {str(text)[:80]!r}. Set"
                " config.prompting(observation_to_text=...) to a function from an observation to a"
                " string, or to a Jinja template over the keys of a Dict observation."
            )
        return text

    return read
