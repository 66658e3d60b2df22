"""`ImageContents`: prompts of text and images, whose places the templates choose.

Facts refer to images by marks (`media.image_marks`). A marked image becomes a content part of the
message, the chat template writes its placeholder, and the placeholder becomes the tokens that the
model reads, before anything counts tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.media.image import Image, PlacedImage
from rllib_gigpo.media.image_marks import find_marks
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.prompting.contents.text_contents import CUT_MARKER, Contents
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.template import PromptInputs
from rllib_gigpo.prompting.text_encoder import TextEncoder, mark, mark_facts


class ImageTokens(Protocol):
    """How a model writes images as tokens; `models.vision.VisionFamily` is one."""

    token_id: int  # the token of a chat template's placeholder that an image replaces

    def expansion(self, image: Image) -> list[int]:
        """Return the tokens that replace it."""
        ...


class ImageContents(Contents):
    """Prompts of text and images. What is cut is text: images are shown whole, or not at all."""

    def __init__(self, tokens: ImageTokens, store: ImageStore, *, max_images: int) -> None:
        """Connect the parts.

        Args:
            tokens: How the model writes images.
            store: The images that the marks in facts refer to.
            max_images: Largest number of images in a prompt; older turns are left out beyond it.
        """
        self._tokens = tokens
        self._store = store
        self._max_images = max_images
        self._expected: dict[tuple[TextEncoder, int], list[int]] = {}

    def parts(self, user_text: str) -> list[dict[str, Any]]:
        """Return texts, and ``{"type": "image"}`` for each mark."""
        parts, done = list[dict[str, Any]](), 0
        for _, start, stop in self._marks(user_text):
            if start > done:
                parts.append({"type": "text", "text": user_text[done:start]})
            parts.append({"type": "image"})
            done = stop
        if done < len(user_text) or not parts:
            parts.append({"type": "text", "text": user_text[done:]})
        return parts

    def excess(self, prompt: Prompt, max_tokens: int) -> int:
        """Return by how many tokens a prompt is too long; above 0 also for too many images."""
        over = super().excess(prompt, max_tokens)
        return max(over, 1) if len(prompt.images) > self._max_images else over

    def encode(
        self,
        inputs: PromptInputs,
        user_text: Callable[[PromptInputs], str],
        chat_text: Callable[[str], str],
        encoder: TextEncoder,
        *,
        more_than: int,
    ) -> Prompt:
        """Render and encode facts, and expand the images; see the base class.

        Raises:
            ConfigError: The chat template leaves out images.
        """
        message = user_text(inputs)
        images = [image for image, _, _ in self._marks(message)]
        text = chat_text(message)

        @functools.cache
        def marked() -> str:
            try:
                return chat_text(user_text(mark_facts(inputs, self._mark_text)))
            except ConfigError:  # the template takes facts apart, and cannot take marks apart
                return ""

        ends = encoder.encode_ends(text, marked, more_than=more_than)
        if ends is not None:
            return Prompt(token_ids=ends, text=text)
        expected = self._expected_controls(encoder, message, images, chat_text)
        return self._expanded(encoder.encode(text, marked, expected=expected), text, images)

    def cut(self, text: str, num_characters: int) -> str:
        """Cut only the text between the images; see the base class."""
        marks = self._marks(text)
        if not marks or num_characters >= len(text):
            return super().cut(text, num_characters)
        num_plain = len(text) - sum(stop - start for _, start, stop in marks)
        num_kept = min(num_plain, max(0, num_characters - (len(text) - num_plain)))
        first_cut, last_cut = num_kept - num_kept // 2, num_plain - num_kept // 2
        pieces, place, done = list[str](), 0, 0
        for start, stop in [*((start, stop) for _, start, stop in marks), (len(text), len(text))]:
            plain = text[done:start]
            head, tail = max(0, first_cut - place), max(0, last_cut - place)
            if place < first_cut <= place + len(plain) and num_kept:
                pieces += [plain[:head], CUT_MARKER, plain[max(head, tail) :]]
            else:
                pieces += [plain[:head], plain[max(head, tail) :]]
            pieces.append(text[start:stop])
            place, done = place + len(plain), stop
        return "".join(pieces)

    def cut_ids(self, prompt: Prompt, max_tokens: int, decode: Callable[[Any], str]) -> Prompt:
        """Keep both ends of the text's ids and all images; see the base class.

        Raises:
            ConfigError: The images alone are too long, or too many.
        """
        num_of_images = sum(place.length for place in prompt.images)
        num_text = max_tokens - num_of_images
        if num_text < 2 or len(prompt.images) > self._max_images:
            raise ConfigError(
                f"A turn shows {len(prompt.images)} images of {num_of_images} tokens, but a prompt"
                f" has room for {self._max_images} (images={{'max_in_prompt': ...}}) and"
                f" {max_tokens} tokens (max_prompt_tokens): raise the limit, or make the images"
                " smaller or fewer."
            )
        ids, in_image = list(prompt.token_ids), set[int]()
        for one in prompt.images:
            in_image.update(range(one.start, one.stop))
        text_places = [place for place in range(len(ids)) if place not in in_image]
        num_tail = num_text // 2
        dropped = set(text_places[num_text - num_tail : len(text_places) - num_tail])
        kept = [place for place in range(len(ids)) if place not in dropped]
        new_places = {old: new for new, old in enumerate(kept)}
        images = tuple(replace(one, start=new_places[one.start]) for one in prompt.images)
        kept_ids = [ids[place] for place in kept]
        return replace(prompt, token_ids=kept_ids, text=decode(kept_ids), images=images)

    # ------------------------------------------------------------------ marks and tokens

    def _marks(self, text: str) -> list[tuple[Image, int, int]]:
        """Return (image, start, stop) of each mark; a text that only looks like one is text."""
        found = ((self._store.get(key), start, stop) for key, start, stop in find_marks(text))
        return [(image, start, stop) for image, start, stop in found if image is not None]

    def _mark_text(self, text: str) -> str:
        """Mark all characters but those that stand for images."""
        marked = mark(text)
        for _, start, stop in self._marks(text):
            marked = marked[:start] + text[start:stop] + marked[stop:]
        return marked

    def _expected_controls(
        self,
        encoder: TextEncoder,
        message: str,
        images: list[Image],
        chat_text: Callable[[str], str],
    ) -> list[int] | None:
        """Return the control tokens of a prompt with these images, whatever its text says."""
        if not images:
            return None
        key = (encoder, len(images))
        if key not in self._expected:
            marks = [message[start:stop] for _, start, stop in self._marks(message)]
            self._expected[key] = encoder.controls_of(chat_text(" ".join(marks)))
        return self._expected[key]

    def _expanded(self, ids: list[int], text: str, images: list[Image]) -> Prompt:
        """Replace the placeholder of each image by its tokens."""
        num_found = ids.count(self._tokens.token_id)
        if num_found != len(images):
            raise ConfigError(
                f"The tokenizer's chat template shows {num_found} of {len(images)} images. Use the"
                " chat template of the model, which takes content parts of type image."
            )
        expanded, places, waiting = list[int](), list[PlacedImage](), iter(images)
        for token_id in ids:
            if token_id != self._tokens.token_id:
                expanded.append(token_id)
                continue
            image = next(waiting)
            tokens = self._tokens.expansion(image)
            places.append(PlacedImage(image, len(expanded), len(tokens)))
            expanded += tokens
        return Prompt(token_ids=expanded, text=text, images=tuple(places))
