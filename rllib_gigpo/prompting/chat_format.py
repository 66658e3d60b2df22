"""Chat messages as text, through a tokenizer's chat template, and what the template's tokens do."""

import html
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.errors import ConfigError

_PROBE = "probe 4711 text"
_ANSWER = "answer 0815 text"
_ODD_LETTERS = "<B> & Ä 'c' \"d\" \\ {e}"  # which some templates escape
_END_LENGTH = 20  # characters of a message that show whether its end is still there
# Templates may change case or spaces of a message.
_PROBE_IN_TEXT = re.compile(_PROBE.replace(" ", r"\s*"), re.IGNORECASE)
_ANSWER_IN_TEXT = re.compile(_ANSWER.replace(" ", r"\s*"), re.IGNORECASE)


class ChatFormat:
    """The prompts that a chat template makes of a system prompt and one user message."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        system_prompt: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        parts: Callable[[str], list[dict[str, Any]]] | None = None,
    ) -> None:
        """Find out how the chat template takes messages.

        Args:
            tokenizer: A Hugging Face tokenizer with a chat template.
            system_prompt: Text of a system message at the start; None sends none.
            chat_template_kwargs: Arguments of the chat template.
            parts: Turns a user message into content parts, which are then never sent as one
                string; None for a message of text.

        Raises:
            ConfigError: The chat template is missing, rejects the messages or leaves them out.
        """
        self._tokenizer = tokenizer
        self._system_prompt = system_prompt
        self._kwargs = dict(chat_template_kwargs or {})
        self._parts = parts or _one_part
        self._forms = (True, False) if parts is None else (False,)
        self._is_verbatim = False  # whether the template writes user messages as they are
        self._is_text_only = self._find_content_format()

    def messages(self, user_text: str) -> list[dict[str, Any]]:
        """Return the messages of a prompt; each ``content`` is a list of parts."""
        user = self.user_message(user_text)
        if self._system_prompt is None:
            return [user]
        system = {"role": "system", "content": [{"type": "text", "text": self._system_prompt}]}
        return [system, user]

    def user_message(self, user_text: str) -> dict[str, Any]:
        """Return a user message; its ``content`` is a list of parts."""
        return {"role": "user", "content": self._parts(user_text)}

    def prompt_text(self, user_text: str) -> str:
        """Return the prompt that ends where the model's answer begins.

        Raises:
            ConfigError: The chat template fails on this message, or cuts it.
        """
        text = self.render(self.messages(user_text))
        self.check_whole(user_text, text)
        return text

    def check_whole(self, user_text: str, text: str) -> None:
        """Check that a rendered chat holds both ends of a user message.

        Args:
            user_text: The user message.
            text: What the chat template made of it.

        Raises:
            ConfigError: The chat template has cut the message.
        """
        texts = [part["text"] for part in self._parts(user_text) if "text" in part] or [""]
        start, end = texts[0][:_END_LENGTH], texts[-1][-_END_LENGTH:]
        if self._is_verbatim and (start not in text or end not in text):
            raise ConfigError(
                "The tokenizer's chat template cuts the user message at something that it takes "
                f"for a mark: {start!r} ... {end!r} became "
                f"{text[:200]!r}. Set another tokenizer.chat_template, or keep the mark out of "
                "what the environment says."
            )

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Return a chat up to where the model's next answer begins.

        Args:
            messages: Messages, each with a role and content parts.

        Raises:
            ConfigError: The chat template fails on them.
        """
        if self._is_text_only:
            messages = [_flatten(message) for message in messages]
        try:
            return self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, **self._kwargs
            )
        except Exception as error:  # a template may do anything that Jinja's sandbox allows
            raise ConfigError(
                f"The tokenizer's chat template cannot render the prompt: {error} (system_prompt="
                f"{self._system_prompt!r}, chat_template_kwargs={self._kwargs}). Use "
                "a model whose chat template supports these settings, or leave them out."
            ) from error

    def check_keeps(self, user_text: str) -> None:
        """Check that a prompt holds the whole message and the system prompt.

        Some templates cut a message at ``</think>`` or drop the system message. Case, spaces and
        escapes may change.

        Args:
            user_text: A user message with the format's tags, as in training.

        Raises:
            ConfigError: A part is missing.
        """
        words = set(_words(self.prompt_text(user_text)))
        odd_text = f"{user_text} {_ODD_LETTERS}"
        self._is_verbatim = odd_text in self.prompt_text(odd_text)
        for what, text in (("user message", user_text), ("system prompt", self._system_prompt)):
            lost = [word for word in _words(text or "") if word not in words]
            if lost:
                raise ConfigError(
                    f"The tokenizer's chat template leaves out a part of the {what}: "
                    f"{' '.join(lost)[:80]!r} ... Set another tokenizer.chat_template, or change "
                    "what it takes for a mark (such as </think>: think_tag=None, or another tag)."
                )

    def frame(self) -> tuple[str, str]:
        """Return the template's own text before and after the user message."""
        before, _, after = self.prompt_text(_PROBE).partition(_PROBE)
        return before, after

    def _find_content_format(self) -> bool:
        """Find out whether the chat template takes contents as strings (True) or as parts."""
        for is_text_only in self._forms:
            self._is_text_only = is_text_only
            if _PROBE_IN_TEXT.search(self._probe(is_last=not is_text_only)):
                return is_text_only
        raise ConfigError(
            "The tokenizer's chat template leaves out the user message, both as a string and as "
            "content parts. Use an instruction-tuned model, or set another tokenizer.chat_template."
        )

    def _probe(self, *, is_last: bool) -> str:
        try:
            return self.prompt_text(_PROBE)
        except ConfigError:
            if is_last:
                raise
            return ""


def opens_thought(
    tokenizer: Any, think_tag: str | None, chat_template_kwargs: Mapping[str, Any] | None = None
) -> bool:
    """Return whether the prompts of a chat template end within a thought.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template.
        think_tag: Tag around thoughts; None for no thoughts.
        chat_template_kwargs: Arguments of the chat template.
    """
    if think_tag is None:
        return False
    try:
        chat = ChatFormat(tokenizer, chat_template_kwargs=chat_template_kwargs)
        return chat.prompt_text(_PROBE).rstrip().endswith(f"<{think_tag}>")
    except ConfigError:  # whoever renders prompts says why
        return False


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """What a chat template writes after the assistant's message.

    Attributes:
        token_ids: The tokens that can follow an answer at once, ascending; empty if none is known.
        plain_text: The text that closes the last answer of a conversation if none of it is a token
            outside the learned vocabulary, so that an engine cannot stop there; empty otherwise.
    """

    token_ids: list[int]
    plain_text: str


def find_turn_end(tokenizer: Any) -> TurnEnd:
    """Find out what closes an assistant's turn, by rendering conversations.

    Args:
        tokenizer: A Hugging Face tokenizer. Without a chat template, or if that takes no assistant
            messages, nothing is known.
    """
    added = added_tokens(tokenizer)
    pattern = pattern_of(added.values())
    ids = {content: token_id for token_id, content in added.items()}
    closings = [_closing(text) for text in conversations(tokenizer)]
    matches = [pattern.search(closing) for closing in closings]
    is_plain = bool(closings) and matches[0] is None
    return TurnEnd(
        token_ids=sorted({ids[match[0]] for match in matches if match}),
        plain_text=closings[0].strip() if is_plain else "",
    )


def conversations(tokenizer: Any) -> list[str]:
    """Return example conversations: one that ends with an answer, and one that goes on.

    Empty if the tokenizer has no chat template, or one that takes no assistant messages.
    """
    roles = [("user", _PROBE), ("assistant", _ANSWER), ("user", _PROBE)]
    if not tokenizer.chat_template:
        return []
    return list(_rendered(tokenizer, roles[:2])) + list(_rendered(tokenizer, roles))


def added_tokens(tokenizer: Any, *, only_special: bool = False) -> dict[int, str]:
    """Return the tokens outside the learned vocabulary, by id; runs of whitespace do not count."""
    return {
        token_id: token.content
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.content.strip() and (token.special or not only_special)
    }


def template_tokens(tokenizer: Any) -> dict[int, str]:
    """Return the added tokens that the chat template names or writes, by id."""
    written = "\n".join([str(tokenizer.chat_template), *conversations(tokenizer)])
    return {i: text for i, text in added_tokens(tokenizer).items() if text in written}


def control_tokens(tokenizer: Any) -> dict[int, str]:
    """Return the tokens that steer a model, by id: special ones and those of the chat template."""
    return added_tokens(tokenizer, only_special=True) | template_tokens(tokenizer)


def pattern_of(strings: Any) -> re.Pattern[str]:
    """Return a pattern for any of some strings, the longest first; for none, it never matches."""
    longest_first = sorted(strings, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _rendered(tokenizer: Any, turns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a conversation in the first form of messages that the chat template takes."""
    with_system = [("system", "Be brief."), *turns]  # which some templates need
    for given, is_text in itertools.product((turns, with_system), (True, False)):
        messages = [
            {"role": role, "content": text if is_text else [{"type": "text", "text": text}]}
            for role, text in given
        ]
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception:  # a template may do anything that Jinja's sandbox allows
            continue
        if _ANSWER_IN_TEXT.search(text):
            yield text
            return


def _closing(conversation: str) -> str:
    """Return the text between the answer and the next message or the end."""
    return _PROBE_IN_TEXT.split(_ANSWER_IN_TEXT.split(conversation)[-1])[0]


def _one_part(user_text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": user_text}]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", html.unescape(text).casefold())


def _flatten(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "content": "".join(part["text"] for part in message["content"])}
