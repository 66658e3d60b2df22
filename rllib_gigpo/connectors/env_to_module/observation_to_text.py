"""Environment -> text: the latest observation of each episode as a string."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, StrictUndefined
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.errors import EnvContractError


class ObservationToText(ConnectorV2):
    """Connector that writes OBSERVATION_TEXT."""

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

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Convert the latest observation of every episode."""
        batch[columns.OBSERVATION_TEXT] = [
            self._to_text(episode.get_observations(-1)) for episode in episodes
        ]
        return batch


def text_reader(observation_to_text: Callable[[Any], str] | str | None) -> Callable[[Any], str]:
    """Return the function that turns an observation into text.

    The returned function raises an EnvContractError if its result is not text.
    """
    if isinstance(observation_to_text, str):
        source = Environment(undefined=StrictUndefined, autoescape=False)
        template = source.from_string(observation_to_text)
        return lambda observation: template.render(**observation)

    def read(observation: Any) -> str:
        text = observation if observation_to_text is None else observation_to_text(observation)
        if not isinstance(text, str):
            raise EnvContractError(
                f"The observation is not text but {type(text).__name__}: {str(text)[:80]!r}. Set"
                " config.prompting(observation_to_text=...) to a function from an observation to a"
                " string, or to a Jinja template over the keys of a Dict observation."
            )
        return text

    return read
