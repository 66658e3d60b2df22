"""`Contents`: how facts become the text and the token ids of a prompt; here, of text alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.template import PromptInputs
from rllib_gigpo.prompting.text_encoder import TextEncoder, mark_facts

CUT_MARKER = " ... "


class Contents:
    """Prompts of text.

    Attributes:
        parts: Turns a user message into content parts; None for a single part of text.
    """

    parts: Callable[[str], list[dict[str, Any]]] | None = None

    def excess(self, prompt: Prompt, max_tokens: int) -> int:
        """Return by how many tokens a prompt is too long; 0 or less if it fits."""
        return len(prompt.token_ids) - max_tokens

    def encode(
        self,
        inputs: PromptInputs,
        user_text: Callable[[PromptInputs], str],
        chat_text: Callable[[str], str],
        encoder: TextEncoder,
        *,
        more_than: int,
    ) -> Prompt:
        """Render and encode facts; of a text that is far too long, only both ends get token ids.

        Args:
            inputs: The facts.
            user_text: Renders facts as a user message.
            chat_text: Renders a user message as a prompt.
            encoder: The encoder of the prompt.
            more_than: The limit on the number of tokens.
        """
        text = chat_text(user_text(inputs))

        @functools.cache
        def marked() -> str:
            try:
                return chat_text(user_text(mark_facts(inputs)))
            except ConfigError:  # the template takes facts apart, and cannot take marks apart
                return ""

        ids = encoder.encode_ends(text, marked, more_than=more_than)
        return Prompt(token_ids=encoder.encode(text, marked) if ids is None else ids, text=text)

    def cut(self, text: str, num_characters: int) -> str:
        """Return about ``num_characters`` of a fact, without its middle; see `cut_middle`."""
        return cut_middle(text, num_characters)

    def cut_ids(self, prompt: Prompt, max_tokens: int, decode: Callable[[Any], str]) -> Prompt:
        """Keep only both ends of the ids: a last resort that preserves the chat format.

        Args:
            prompt: A prompt that is too long.
            max_tokens: How many tokens to keep.
            decode: Turns ids into text.
        """
        num_tail = max_tokens // 2
        num_head = max_tokens - num_tail
        ids = list(prompt.token_ids)
        kept = ids[:num_head] + ids[len(ids) - num_tail :]
        return replace(prompt, token_ids=kept, text=decode(kept))


def cut_middle(text: str, num_characters: int) -> str:
    """Return ``num_characters`` of ``text`` with a marker instead of the middle.

    Args:
        text: The text to shorten.
        num_characters: Number of characters to keep, half at each end (an odd one at the front); 0
            or less gives an empty text, ``len(text)`` or more the whole text.
    """
    if num_characters >= len(text):
        return text
    if num_characters <= 0:
        return ""
    num_tail = num_characters // 2
    return text[: num_characters - num_tail] + CUT_MARKER + text[len(text) - num_tail :]
