"""From the facts of one turn to prompt token ids, within the token limit."""

from collections.abc import Mapping
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_format import ChatFormat
from rllib_gigpo.prompting.contents.text_contents import Contents
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.shortener import PromptShortener
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate
from rllib_gigpo.prompting.text_encoder import TextEncoder


class PromptRenderer:
    """Renderer of prompts of at most ``max_prompt_tokens`` tokens, with the model's chat template.

    Facts that do not fit are left out (see `PromptShortener`); the result is always a prompt. Facts
    are encoded as text, even if they spell a control token (see `TextEncoder`).
    """

    def __init__(
        self,
        tokenizer: Any,
        template: PromptTemplate,
        *,
        max_prompt_tokens: int,
        system_prompt: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        action_tag: str | None = "action",
        think_tag: str | None = "think",
        contents: Contents | None = None,
    ) -> None:
        """Check that tokenizer, chat template and settings work together.

        Args:
            tokenizer: A Hugging Face tokenizer with a chat template.
            template: The template of the user message.
            max_prompt_tokens: Largest length of a prompt in tokens.
            system_prompt: Text of a system message at the start; None sends none (the chat template
                may then add its own).
            chat_template_kwargs: Arguments of the chat template, for example ``{"enable_thinking":
                False}``.
            action_tag: See `ActionParser`; the template's instructions name it.
            think_tag: See `ActionParser`.
            contents: What prompts are made of; None for text.

        Raises:
            ConfigError: The chat template is missing or rejects these messages, or the fixed part
                of the prompt alone is longer than ``max_prompt_tokens``.
        """
        self.max_prompt_tokens = max_prompt_tokens
        self.template = template
        self._tokenizer = tokenizer
        self._tags = {"action_tag": action_tag, "think_tag": think_tag}
        self._contents = contents or Contents()
        self._chat = ChatFormat(
            tokenizer,
            system_prompt=system_prompt,
            chat_template_kwargs=chat_template_kwargs,
            parts=self._contents.parts,
        )
        empty = self._chat.prompt_text(self._user_text(PromptInputs("")))
        self._encoder = TextEncoder(tokenizer, expected=empty, frame=self._chat.frame())
        self._shortener = PromptShortener(
            self._encode_inputs, self._contents, max_prompt_tokens=max_prompt_tokens
        )
        self._chat.check_keeps(self._user_text(PromptInputs("a room")))
        self._check_fixed_part_fits()

    def render(self, inputs: PromptInputs) -> Prompt:
        """Return the prompt of one turn; long facts never make it fail.

        Args:
            inputs: The facts of the turn.

        Raises:
            ConfigError: The template, or the chat template, fails on these inputs.
        """
        prompt = self._encode_inputs(inputs)
        if self._fits(prompt):
            return prompt
        prompt = self._shortener.shorten(inputs)
        if self._fits(prompt):
            return prompt
        return self._contents.cut_ids(prompt, self.max_prompt_tokens, self._tokenizer.decode)

    def messages(self, inputs: PromptInputs) -> list[dict[str, Any]]:
        """Return the chat messages of one turn; each ``content`` is a list of parts.

        Args:
            inputs: The facts of the turn.
        """
        return self._chat.messages(self._user_text(inputs))

    def _user_text(self, inputs: PromptInputs) -> str:
        return self.template.render(inputs, **self._tags)

    def _encode_inputs(self, inputs: PromptInputs) -> Prompt:
        return self._contents.encode(
            inputs,
            self._user_text,
            self._chat.prompt_text,
            self._encoder,
            more_than=self.max_prompt_tokens,
        )

    def _fits(self, prompt: Prompt) -> bool:
        return self._contents.excess(prompt, self.max_prompt_tokens) <= 0

    def _check_fixed_part_fits(self) -> None:
        fixed = self._encode_inputs(PromptInputs(observation=""))
        if not self._fits(fixed):
            raise ConfigError(
                f"The fixed part of the prompt (template {self.template.name!r}, chat template, "
                f"system prompt) is {len(fixed.token_ids)} tokens long, but max_prompt_tokens="
                f"{self.max_prompt_tokens}. Raise max_prompt_tokens or shorten the template."
            )
