"""Observations as text: strings as they are, or by the user's function or template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2.exceptions import SecurityError

from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.envs.info_fence import shown
from rllib_gigpo.errors import ConfigError, EnvContractError
from rllib_gigpo.prompting.template import sandbox

_IMAGE = (
    "The observation is an image, but the model reads text only: set llm(model_path=...) to a model"
    " of text and images (docs/images.md), or config.prompting(observation_to_text=...) to a"
    " function that describes it."
)


def text_reader(observation_to_text: Callable[[Any], str] | str | None) -> Callable[[Any], str]:
    """Return the function that turns an observation into text.

    The returned function raises an EnvContractError if its result is not text.
    """
    if isinstance(observation_to_text, str):
        return _template_reader(observation_to_text)

    def read(observation: Any) -> str:
        text = observation if observation_to_text is None else observation_to_text(observation)
        if not isinstance(text, str):
            _refuse_images(text)
            raise EnvContractError(
                f"The observation is not text but {type(text).__name__}: {shown(text)}. Set"
                " config.prompting(observation_to_text=...) to a function from an observation to a"
                " string, or to a Jinja template over the keys of a Dict observation."
            )
        return valid_text(text)

    return read


def _refuse_images(observation: Any) -> None:
    parts = observation.values() if isinstance(observation, Mapping) else [observation]
    if any(getattr(part, "ndim", 0) == 3 for part in parts):  # an array with three axes
        raise EnvContractError(_IMAGE)


def _template_reader(source: str) -> Callable[[Any], str]:
    template = sandbox().from_string(source)

    def read(observation: Any) -> str:
        _refuse_images(observation)
        try:
            return valid_text(template.render(**observation))
        except SecurityError as error:
            raise ConfigError(
                f"The template observation_to_text={source[:80]!r} may not do this: {error}. A"
                " template reads the observation's keys; use a function for anything else."
            ) from error

    return read
