"""What follows an answer in a chat: its closing, new messages, the beginning of the next answer.

The chat template is rendered with an example answer, once without and once with the new messages.
The difference of the two texts is what has to be appended; nothing before it is encoded again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_format import (
    ChatFormat,
    added_tokens,
    find_turn_end,
    pattern_of,
)
from rllib_gigpo.prompting.prompt_record import Prompt

logger = logging.getLogger(__name__)

_QUESTION = "probe 4711 text"
_ANSWER = "answer 0815 text"
_THOUGHT = "thought 2342 text"
_CURE = (
    "Use prompting(style='step'), which renders each prompt from the start, or set another"
    " tokenizer.chat_template."
)

Message = Mapping[str, Any]  # a role, and content parts such as {"type": "text", "text": ...}


class ChatContinuation:
    """The texts that continue a chat under one chat template.

    Attributes:
        turn_end_ids: The tokens that close an answer, as this template closes it.
        before_end: What the template writes between an answer and the token that closes it.
        drops_thoughts: Whether the template leaves thoughts out of earlier answers. A continued
            chat keeps them, because its tokens are never changed.
    """

    def __init__(self, chat: ChatFormat, tokenizer: Any, *, think_tag: str | None = None) -> None:
        """Find out how the template continues a chat.

        Args:
            chat: The format of the prompts.
            tokenizer: Its Hugging Face tokenizer.
            think_tag: Tag around thoughts in answers; None for no thoughts.

        Raises:
            ConfigError: The template cannot be continued; the message says why.
        """
        self._chat = chat
        self._past = [*chat.messages(_QUESTION), text_message("assistant", _ANSWER)]
        opening = chat.prompt_text(_QUESTION)
        whole = self._render_with(_QUESTION)
        until_answer = _through_answer(whole)
        before_answer = until_answer.removesuffix(_ANSWER)
        if not (opening.startswith(before_answer) or before_answer.startswith(opening)):
            raise ConfigError(
                "The tokenizer's chat template rewrites earlier turns when a chat goes on: it"
                f" begins with {opening[:120]!r}, and after an answer with {before_answer[:120]!r},"
                f" so no chat can be continued. {_CURE} If it moves the system prompt, leave that"
                " out."
            )
        after = whole[len(until_answer) :]
        if _QUESTION not in after:
            raise ConfigError(
                "The tokenizer's chat template leaves out the message that follows an answer:"
                f" {after[:120]!r}. {_CURE}"
            )
        self._tokenizer = tokenizer
        self.turn_end_ids = frozenset(find_turn_end(tokenizer).token_ids)
        self.before_end = self._find_before_end(after)
        self.drops_thoughts = self._finds_thoughts_dropped(think_tag)
        if self.drops_thoughts:
            logger.warning(
                "The chat template leaves the thoughts of earlier answers out of its prompts. A"
                " conversation keeps them, because its tokens are only ever appended to."
            )

    def text(self, messages: Sequence[Message]) -> str:
        """Return what follows an answer: its closing, new messages, the next answer's beginning.

        Args:
            messages: The new messages, each with a role and content parts.

        Raises:
            ConfigError: The template fails on them, or then leaves out the answer before them.
        """
        # What comes before may change: the date, or a mark before the latest answers.
        whole = self._chat.render([*self._past, *messages])
        if _ANSWER not in whole:
            raise ConfigError(
                "The tokenizer's chat template leaves out an earlier answer because of a later"
                f" message: {whole[-240:]!r}. {_CURE}"
            )
        return whole[len(_through_answer(whole)) :]

    def message(self, messages: Sequence[Message]) -> str:
        """Return new messages, from the token on that closes the answer before them.

        Args:
            messages: See `text`.

        Raises:
            ConfigError: See `text`.
        """
        return self.text(messages).removeprefix(self.before_end)

    def after(self, response_ids: Sequence[int], message: Prompt) -> Prompt:
        """Return what follows an answer, as the text and ids of a `Prompt`.

        Args:
            response_ids: The ids of the answer, as they were sampled.
            message: The text of `message`, and its ids.
        """
        ids, text = list(message.token_ids), message.text
        if response_ids and response_ids[-1] == ids[0]:
            text = text[len(self._tokenizer.decode(ids[:1])) :]
            ids = ids[1:]
        else:  # the limit cut the answer off
            before = self._tokenizer(self.before_end, add_special_tokens=False).input_ids
            ids, text = [*before, *ids], self.before_end + text
        images = message.images_from(0, moved_by=len(ids) - len(message.token_ids))
        return replace(
            message, token_ids=ids, text=text, num_message_tokens=len(ids), images=images
        )

    def _find_before_end(self, after: str) -> str:
        added = added_tokens(self._tokenizer)
        ends = [added[i] for i in self.turn_end_ids if i in added]
        match = pattern_of(ends).search(after)
        if match is None or _QUESTION in after[: match.start()]:
            raise ConfigError(
                "The tokenizer's chat template closes an answer within a chat with no token that"
                f" ends a turn: {after[:80]!r} follows the answer. {_CURE}"
            )
        return after[: match.start()]

    def _render_with(self, text: str) -> str:
        return self._chat.render([*self._past, text_message("user", text)])

    def _finds_thoughts_dropped(self, think_tag: str | None) -> bool:
        if think_tag is None:
            return False
        answer = f"<{think_tag}>{_THOUGHT}</{think_tag}>{_ANSWER}"
        messages = [*self._past[:-1], text_message("assistant", answer)]
        return _THOUGHT not in self._chat.render([*messages, text_message("user", _QUESTION)])


def text_message(role: str, text: str) -> dict[str, Any]:
    """Return a message with one part of text.

    Args:
        role: "system", "user", "assistant" or "tool".
        text: The text.
    """
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _through_answer(whole: str) -> str:
    before, answer, _ = whole.partition(_ANSWER)
    if not answer:
        raise ConfigError(
            "The tokenizer's chat template shows no earlier answers, so no chat can be continued:"
            f" {whole[:200]!r}. {_CURE}"
        )
    return before + answer
