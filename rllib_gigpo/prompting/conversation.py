"""Conversations: each prompt is the prompt before it, the answer's own ids, and a new message."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.prompting.chat_continuation import ChatContinuation, text_message
from rllib_gigpo.prompting.chat_format import ChatFormat
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.shortener import PromptShortener
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate
from rllib_gigpo.prompting.text_encoder import TextEncoder

_PROBE = "probe 4711 text"


class ConversationRenderer(PromptRenderer):
    """Renderer of append-only chats of at most ``max_prompt_tokens`` tokens.

    `render` opens a chat and `extend` goes on. Nothing is tokenised twice: an answer keeps the ids
    that the engine sampled. What the model sampled is the model's; the tokens that close an answer
    which the limit cut off, and the newline after the closing token, are part of the next message.

    A message takes at most half of the limit. If the chat no longer fits, the oldest turns are
    dropped until it takes at most half, and a new prefix begins: the oldest turn that is left
    becomes the first message, with the instructions and the task.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: PromptTemplate,
        *,
        think_tag: str | None = "think",
        **kwargs: Any,
    ) -> None:
        """Check that the chat template can be continued.

        Args:
            tokenizer: See `PromptRenderer`.
            template: The template of all messages; its ``is_continued`` tells the later ones.
            think_tag: See `PromptRenderer`.
            **kwargs: See `PromptRenderer`.

        Raises:
            ConfigError: See `PromptRenderer` and `ChatContinuation`.
        """
        super().__init__(tokenizer, template, think_tag=think_tag, **kwargs)
        chat = self._continued_chat(**kwargs)
        self._continuation = ChatContinuation(chat, tokenizer, think_tag=think_tag)
        self._half = self.max_prompt_tokens // 2
        probe = self._continuation.message([text_message("user", _PROBE)])
        before, _, behind = probe.partition(_PROBE)
        empty = self._user_text(PromptInputs("", is_continued=True))
        self._message_encoder = TextEncoder(
            tokenizer,
            expected=self._message_text(empty),
            frame=(before, behind),
        )
        self._message_shortener = PromptShortener(
            self._encode_message, self._contents, max_prompt_tokens=self._half
        )

    def render(self, inputs: PromptInputs) -> Prompt:
        """Return the prompt that opens a chat; it shows no history.

        Args:
            inputs: The facts of the turn.

        Raises:
            ConfigError: The template, or the chat template, fails on these inputs.
        """
        prompt = super().render(replace(inputs, history=()))
        return replace(prompt, num_message_tokens=len(prompt.token_ids))

    def extend(
        self,
        turns: Sequence[ChatTurn],
        inputs: PromptInputs,
        inputs_of: Callable[[int], PromptInputs],
    ) -> Prompt:
        """Return the prompt of the next turn.

        Args:
            turns: All finished turns of the episode, at least one.
            inputs: The facts of the next turn.
            inputs_of: Returns the facts of a finished turn, by its index from 0.

        Raises:
            ConfigError: The template, or the chat template, fails on these inputs.
        """
        message = self._message(inputs, after=turns[-1])
        prompt = self._appended(turns[-1], message)
        if self._fits(prompt):
            return prompt
        for first in range(turns[-1].prompt.num_dropped_history + 1, len(turns)):
            prompt = self._reopened(turns[first:], message, opening=self.render(inputs_of(first)))
            if self._contents.excess(prompt, self._half) <= 0:
                return replace(prompt, num_dropped_history=first)
        return replace(self.render(inputs), num_dropped_history=len(turns))

    def _appended(self, last: ChatTurn, message: Prompt) -> Prompt:
        """Return the last prompt, its answer and a message; cuts of the message stay noted."""
        answer = self._tokenizer.decode(last.response_ids)
        before = [*last.prompt.token_ids, *last.response_ids]
        return replace(
            message,
            token_ids=[*before, *message.token_ids],
            text=last.prompt.text + answer + message.text,
            num_dropped_history=last.prompt.num_dropped_history,
            images=(*last.prompt.images, *message.images_from(0, moved_by=len(before))),
        )

    def _reopened(self, turns: Sequence[ChatTurn], message: Prompt, *, opening: Prompt) -> Prompt:
        """Return a chat that opens with the first of some turns and ends with a message."""
        prompt = opening
        for turn, following in zip(turns, [*turns[1:], None], strict=True):
            added = message if following is None else self._message_of(following.prompt)
            prompt = self._appended(ChatTurn(prompt, turn.response_ids), added)
        return prompt

    def _message_of(self, prompt: Prompt) -> Prompt:
        """Return the message that a prompt ends with."""
        start = len(prompt.token_ids) - prompt.num_message_tokens
        ids = prompt.token_ids[start:]
        images = prompt.images_from(start, moved_by=-start)
        return Prompt(ids, self._tokenizer.decode(ids), num_message_tokens=len(ids), images=images)

    # ------------------------------------------------------------------ one message

    def _message(self, inputs: PromptInputs, *, after: ChatTurn) -> Prompt:
        """Return what follows an answer, as the text and ids of a `Prompt`."""
        inputs = replace(inputs, history=(), is_continued=True)
        message = self._encode_message(inputs)
        if self._contents.excess(message, self._half) > 0:
            message = self._message_shortener.shorten(inputs)
        return self._continuation.after(after.response_ids, message)

    def _encode_message(self, inputs: PromptInputs) -> Prompt:
        """Encode a message from the token on that closes the answer before it."""
        return self._contents.encode(
            inputs, self._user_text, self._message_text, self._message_encoder, more_than=self._half
        )

    def _message_text(self, user_text: str) -> str:
        text = self._continuation.message([self._chat.user_message(user_text)])
        self._chat.check_whole(user_text, text)
        return text

    def _continued_chat(self, **kwargs: Any) -> ChatFormat:
        """Return the format of later messages; the arguments are those of the renderer."""
        return self._chat
