"""From one turn's facts to prompt token ids, no more of them than allowed."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateError

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate

CUT_MARKER = " ... "
_PROBE = "probe 4711 text"
_CUT_SLACK_TOKENS = 4
_MAX_CUT_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the engine gets it, with what had to be left out.

    Attributes:
        token_ids: the token ids, at most ``max_prompt_tokens`` of them.
        text: the text that the ids stand for, special tokens included.
        num_dropped_history: number of recalled turns that did not fit.
        observation_cut: whether the middle of the observation was left out.
        is_cut_further: whether even more was left out: of the task, the admissible actions or the
            instructions.
    """

    token_ids: list[int]
    text: str
    num_dropped_history: int = 0
    observation_cut: bool = False
    is_cut_further: bool = False


class PromptRenderer:
    """Renders prompts of at most ``max_prompt_tokens`` tokens with a model's own chat template.

    What does not fit is left out in this order: the oldest turns of the history, the middle of the
    observation, the middle of the task, the last admissible actions. The result is always a prompt.
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
        """Checks that tokenizer, chat template and settings work together.

        Args:
            tokenizer: a Hugging Face tokenizer with a chat template.
            template: the words of the user message.
            max_prompt_tokens: upper bound of a prompt's length in tokens.
            system_prompt: text of a leading system message; None sends none (a chat template may
                then add its own).
            chat_template_kwargs: passed on to the chat template, for example ``{"enable_thinking":
                False}``.
            action_tag: see ``ActionParser``; the template names it in its instructions.
            think_tag: see ``ActionParser``.

        Raises:
            ConfigError: if the chat template is missing or refuses these messages, or if the
                prompt's fixed part alone is longer than ``max_prompt_tokens``.
        """
        self.max_prompt_tokens = max_prompt_tokens
        self.template = template
        self._tokenizer = tokenizer
        self._encode = _make_encoder(tokenizer)
        self._system_prompt = system_prompt
        self._chat_template_kwargs = dict(chat_template_kwargs or {})
        self._tags = {"action_tag": action_tag, "think_tag": think_tag}
        self._is_text_only = self._find_content_format()
        self._check_fixed_part_fits()

    def render(self, inputs: PromptInputs) -> Prompt:
        """Returns the prompt of one turn; never fails because of length.

        Args:
            inputs: the facts of the turn.

        Raises:
            ConfigError: if the template fails on these inputs.
        """
        prompt = self._encode_inputs(inputs)
        if self._fits(prompt):
            return prompt
        return self._shorten(inputs)

    def messages(self, inputs: PromptInputs) -> list[dict[str, Any]]:
        """Returns the chat messages of one turn; each ``content`` is a list of parts.

        Args:
            inputs: the facts of the turn.
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

    def _excess(self, prompt: Prompt) -> int:
        return len(prompt.token_ids) - self.max_prompt_tokens

    def _fits(self, prompt: Prompt) -> bool:
        return self._excess(prompt) <= 0

    # What follows runs for over-long prompts only, so it may render a turn several times.

    def _shorten(self, inputs: PromptInputs) -> Prompt:
        num_turns = len(inputs.history)
        inputs_without, prompt = self._without_history(inputs, num_turns)
        if not self._fits(prompt):
            return replace(self._cut(inputs_without, prompt), num_dropped_history=num_turns)
        num_dropped = _first_true(
            num_turns, lambda num: self._fits(self._without_history(inputs, num)[1])
        )
        prompt = self._without_history(inputs, num_dropped)[1]
        return replace(prompt, num_dropped_history=num_dropped)

    def _without_history(self, inputs: PromptInputs, num: int) -> tuple[PromptInputs, Prompt]:
        shorter = replace(inputs, history=inputs.history[num:])
        return shorter, self._encode_inputs(shorter)

    def _cut(self, inputs: PromptInputs, prompt: Prompt) -> Prompt:
        cut_inputs, prompt = self._cut_text(inputs, prompt, "observation")
        is_cut_further = not self._fits(prompt)
        if is_cut_further:
            prompt = self._cut_further(cut_inputs, prompt)
        observation_cut = cut_inputs.observation != inputs.observation
        return replace(prompt, observation_cut=observation_cut, is_cut_further=is_cut_further)

    def _cut_further(self, inputs: PromptInputs, prompt: Prompt) -> Prompt:
        inputs, prompt = self._cut_text(inputs, prompt, "task")
        if self._fits(prompt):
            return prompt
        actions = inputs.admissible_actions
        num_dropped = _first_true(
            len(actions), lambda num: self._fits(self._without_actions(inputs, num))
        )
        prompt = self._without_actions(inputs, num_dropped)
        return prompt if self._fits(prompt) else self._cut_token_ids(prompt)

    def _without_actions(self, inputs: PromptInputs, num: int) -> Prompt:
        actions = inputs.admissible_actions[: len(inputs.admissible_actions) - num]
        return self._encode_inputs(replace(inputs, admissible_actions=actions))

    def _cut_text(
        self, inputs: PromptInputs, prompt: Prompt, field: str
    ) -> tuple[PromptInputs, Prompt]:
        """Keeps of both ends of one field what fits, but for a few tokens; all may have to go."""
        low, high = 0, len(getattr(inputs, field))
        low_excess = self._excess(prompt)
        best = self._with_cut(inputs, field, high)
        for _ in range(_MAX_CUT_ATTEMPTS):
            room = -self._excess(best[1])
            if room < 0 or room <= _CUT_SLACK_TOKENS or high - low <= 1:
                break
            # Tokens are nearly proportional to characters, so that two or three attempts do.
            share = (low_excess + _CUT_SLACK_TOKENS / 2) / (low_excess + room)
            num_removed = min(max(low + round((high - low) * share), low + 1), high - 1)
            attempt = self._with_cut(inputs, field, num_removed)
            if self._fits(attempt[1]):
                high, best = num_removed, attempt
            else:
                low, low_excess = num_removed, self._excess(attempt[1])
        return best

    def _with_cut(
        self, inputs: PromptInputs, field: str, num_removed: int
    ) -> tuple[PromptInputs, Prompt]:
        text = getattr(inputs, field)
        changes: dict[str, Any] = {field: cut_middle(text, len(text) - num_removed)}
        shorter = replace(inputs, **changes)
        return shorter, self._encode_inputs(shorter)

    def _cut_token_ids(self, prompt: Prompt) -> Prompt:
        """The last resort: both ends of the ids stay, so that the chat frame survives."""
        num_tail = self.max_prompt_tokens // 2
        num_head = self.max_prompt_tokens - num_tail
        token_ids = (
            prompt.token_ids[:num_head] + prompt.token_ids[len(prompt.token_ids) - num_tail :]
        )
        return Prompt(token_ids=token_ids, text=self._tokenizer.decode(token_ids))

    def _find_content_format(self) -> bool:
        """Tells whether the chat template takes contents as strings (True) or as parts."""
        for is_text_only in (True, False):
            self._is_text_only = is_text_only
            if _PROBE in self._probe_chat_template(is_last=not is_text_only):
                return is_text_only
        raise ConfigError(
            "The tokenizer's chat template leaves out the user's message, given as a string and as "
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
                "a model with a chat template that takes these, or leave them out."
            ) from error

    def _check_fixed_part_fits(self) -> None:
        fixed = self._encode_inputs(PromptInputs(observation=""))
        if not self._fits(fixed):
            raise ConfigError(
                f"The fixed part of the prompt (template {self.template.name!r}, chat template, "
                f"system prompt) is {len(fixed.token_ids)} tokens long, but max_prompt_tokens="
                f"{self.max_prompt_tokens}. Raise max_prompt_tokens or shorten the template."
            )


def cut_middle(text: str, num_characters: int) -> str:
    """Returns ``text`` without its middle: ``num_characters`` of it, around a marker.

    Args:
        text: the text to shorten.
        num_characters: how many characters of ``text`` to keep, half at each end (the odd one at
            the front); none gives an empty text, all of them the text itself.
    """
    if num_characters >= len(text):
        return text
    if num_characters <= 0:
        return ""
    num_tail = num_characters // 2
    return text[: num_characters - num_tail] + CUT_MARKER + text[len(text) - num_tail :]


def _first_true(upper: int, condition: Callable[[int], bool]) -> int:
    """Returns the smallest number in 0..upper that meets ``condition``; ``upper`` if none does.

    ``condition`` must be false before some number and true after it. Where it is not quite (a token
    more or less at a cut), the number returned still satisfies it, or is ``upper``.
    """
    low, high = 0, upper
    while low < high:
        middle = (low + high) // 2
        if condition(middle):
            high = middle
        else:
            low = middle + 1
    return high


def _flatten(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": "".join(part["text"] for part in message["content"])}


def _make_encoder(tokenizer: Any) -> Callable[[str], list[int]]:
    """Returns the function that ``tokenizer(text, add_special_tokens=False)`` is, made fast.

    A Rust-backed tokenizer is called without the wrapper around it, which costs as much again as
    the work itself. The copy is ours alone: calls on the caller's object with padding or truncation
    leave those switched on in its backend.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"])
    backend = copy.deepcopy(backend)
    backend.no_padding()
    backend.no_truncation()
    return lambda text: backend.encode(text, add_special_tokens=False).ids
