"""From the facts of one turn to prompt token ids, within the token limit."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jinja2 import TemplateError

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.shortener import PromptShortener
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate

_PROBE = "probe 4711 text"


class PromptRenderer:
    """Renderer of prompts of at most ``max_prompt_tokens`` tokens, with the model's chat template.

    Facts that do not fit are left out (see `PromptShortener`); the result is always a prompt.
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

        Raises:
            ConfigError: The chat template is missing or rejects these messages, or the fixed part
                of the prompt alone is longer than ``max_prompt_tokens``.
        """
        self.max_prompt_tokens = max_prompt_tokens
        self.template = template
        self._tokenizer = tokenizer
        self._encode = _make_encoder(tokenizer)
        self._system_prompt = system_prompt
        self._chat_template_kwargs = dict(chat_template_kwargs or {})
        self._tags = {"action_tag": action_tag, "think_tag": think_tag}
        self._shortener = PromptShortener(self._encode_inputs, max_prompt_tokens=max_prompt_tokens)
        self._is_text_only = self._find_content_format()
        self._check_fixed_part_fits()

    def render(self, inputs: PromptInputs) -> Prompt:
        """Return the prompt of one turn; long facts never make it fail.

        Args:
            inputs: The facts of the turn.

        Raises:
            ConfigError: The template fails on these inputs.
        """
        prompt = self._encode_inputs(inputs)
        if self._fits(prompt):
            return prompt
        prompt = self._shortener.shorten(inputs)
        return prompt if self._fits(prompt) else self._cut_token_ids(prompt)

    def messages(self, inputs: PromptInputs) -> list[dict[str, Any]]:
        """Return the chat messages of one turn; each ``content`` is a list of parts.

        Args:
            inputs: The facts of the turn.
        """
        return self._messages(self.template.render(inputs, **self._tags))

    def _messages(self, user_text: str) -> list[dict[str, Any]]:
        user = {"role": "user", "content": [{"type": "text", "text": user_text}]}
        if self._system_prompt is None:
            return [user]
        system = {"role": "system", "content": [{"type": "text", "text": self._system_prompt}]}
        return [system, user]

    def _chat_text(self, messages: list[dict[str, Any]]) -> str:
        if self._is_text_only:
            messages = [_flatten(message) for message in messages]
        return self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self._chat_template_kwargs
        )

    def _encode_inputs(self, inputs: PromptInputs) -> Prompt:
        text = self._chat_text(self.messages(inputs))
        return Prompt(token_ids=self._encode(text), text=text)

    def _fits(self, prompt: Prompt) -> bool:
        return len(prompt.token_ids) <= self.max_prompt_tokens

    def _cut_token_ids(self, prompt: Prompt) -> Prompt:
        """Keep only both ends of the ids: a last resort that preserves the chat format."""
        num_tail = self.max_prompt_tokens // 2
        num_head = self.max_prompt_tokens - num_tail
        ids = prompt.token_ids
        kept = ids[:num_head] + ids[len(ids) - num_tail :]
        return replace(prompt, token_ids=kept, text=self._tokenizer.decode(kept))

    def _find_content_format(self) -> bool:
        """Find out whether the chat template takes contents as strings (True) or as parts."""
        for is_text_only in (True, False):
            self._is_text_only = is_text_only
            if _PROBE in self._probe_chat_template(is_last=not is_text_only):
                return is_text_only
        raise ConfigError(
            "The tokenizer's chat template leaves out the user message, both as a string and as "
            "content parts. Use an instruction-tuned model, or set another tokenizer.chat_template."
        )

    def _probe_chat_template(self, *, is_last: bool) -> str:
        try:
            return self._chat_text(self._messages(_PROBE))
        except (TemplateError, ValueError, TypeError) as error:
            if not is_last:
                return ""
            raise ConfigError(
                f"The tokenizer's chat template cannot render the prompt: {error} (system_prompt="
                f"{self._system_prompt!r}, chat_template_kwargs={self._chat_template_kwargs}). Use "
                "a model whose chat template supports these settings, or leave them out."
            ) from error

    def _check_fixed_part_fits(self) -> None:
        fixed = self._encode_inputs(PromptInputs(observation=""))
        if not self._fits(fixed):
            raise ConfigError(
                f"The fixed part of the prompt (template {self.template.name!r}, chat template, "
                f"system prompt) is {len(fixed.token_ids)} tokens long, but max_prompt_tokens="
                f"{self.max_prompt_tokens}. Raise max_prompt_tokens or shorten the template."
            )


def _flatten(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": "".join(part["text"] for part in message["content"])}


def _make_encoder(tokenizer: Any) -> Callable[[str], list[int]]:
    """Return a fast version of ``tokenizer(text, add_special_tokens=False)``.

    A Rust-backed tokenizer is called without its Python wrapper, which takes as long as the
    encoding itself. The backend is copied, because a call of the caller's tokenizer with padding or
    truncation leaves these switched on in its backend.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"])
    backend = copy.deepcopy(backend)
    backend.no_padding()
    backend.no_truncation()
    return lambda text: backend.encode(text, add_special_tokens=False).ids
