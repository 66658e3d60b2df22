"""Observations with images as text: each image becomes a mark in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rllib_gigpo.envs.info_fence import shown
from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image import looks_like_image
from rllib_gigpo.media.image_marks import find_marks
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.prompting.contents.text_reader import text_reader

_CURE = (
    "Set config.prompting(observation_to_text=...) to a Jinja template over the keys of a Dict"
    " observation, or to a function that returns text, an image, or a list of both."
)


def image_reader(
    observation_to_text: Callable[[Any], Any] | str | None, store: ImageStore, *, max_images: int
) -> Callable[[Any], str]:
    """Return the function that turns an observation into text with marks for its images.

    Without ``observation_to_text``, an image is a mark, text stays, and the parts of a dict or a
    list follow each other, one a line. A Jinja template sees a mark for each image among the keys.

    Args:
        observation_to_text: A function from an observation to text, an image, or a list of both;
            Jinja source for a Dict observation; None for observations of images and text.
        store: Keeps the images.
        max_images: Largest number of images in a prompt.

    The returned function raises an EnvContractError for anything else, and for too many images.
    """
    read_text = text_reader(observation_to_text if isinstance(observation_to_text, str) else None)

    def read(observation: Any) -> str:
        if isinstance(observation_to_text, str):
            text = read_text(_marked(observation, store))
        else:
            chosen = observation_to_text(observation) if observation_to_text else observation
            text = read_text("\n".join(_texts(chosen, store)))
        num_images = len(find_marks(text))
        if num_images > max_images:
            raise EnvContractError(
                f"The observation has {num_images} images, but a prompt may show {max_images}:"
                ' raise llm(images={"max_in_prompt": ...}), or show fewer.'
            )
        return text

    return read


def _texts(observation: Any, store: ImageStore) -> Iterator[str]:
    if isinstance(observation, str):
        yield observation
    elif looks_like_image(observation):
        yield store.mark(observation)
    elif isinstance(observation, Mapping):
        for value in observation.values():
            yield from _texts(value, store)
    elif isinstance(observation, list | tuple):
        for value in observation:
            yield from _texts(value, store)
    else:
        raise EnvContractError(
            f"The observation has a part that is neither text nor an image (an array with three"
            f" axes) but {type(observation).__name__}: {shown(observation)}. {_CURE}"
        )


def _marked(observation: Any, store: ImageStore) -> Any:
    """Return a Dict observation with a mark in place of each image."""
    if looks_like_image(observation):
        return store.mark(observation)
    if isinstance(observation, Mapping):
        return {name: _marked(value, store) for name, value in observation.items()}
    if isinstance(observation, list | tuple):
        return [_marked(value, store) for value in observation]
    return observation
