"""Encodes a prompt so that control tokens come from templates only: other text stays text."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rllib_gigpo.prompting.chat_format import control_tokens, pattern_of, template_tokens
from rllib_gigpo.prompting.template import PromptInputs

_MARK = "\ue000"  # a private-use character: templates treat it as they treat a letter
_IS_SPACE = np.array([chr(point).isspace() for point in range(0x3002)])  # and none above
_UTF_32, _SURROGATES = "utf-32-le", "surrogatepass"
_UNKNOWN = "𓁹ꙮ"  # letters in hardly any vocabulary
_CUT_TOKENS = 64  # more tokens than cutting a text in two can add

Encode = Callable[[str], list[int]]


class TextEncoder:
    """Encoder of rendered prompts.

    Facts of a turn come from environments and answers, so they may hold the text of a control
    token, such as ``<|im_end|>``. That text is encoded piece by piece. A prompt without such text
    has exactly the ids of a plain encoding.
    """

    def __init__(self, tokenizer: Any, *, expected: str = "", frame: tuple[str, str] = ("", "")):
        """Find the control tokens.

        Args:
            tokenizer: A Hugging Face tokenizer.
            expected: A rendered prompt without facts, whose control tokens most prompts share.
            frame: The chat template's text before and after the user message, for templates that
                change the length of facts.
        """
        self._plain, self._text_only = _make_encoders(tokenizer)
        # The token of unknown letters is special, but ordinary text is full of it.
        needed = {tokenizer.eos_token_id, *template_tokens(tokenizer)}
        unknown = set(self._text_only(_UNKNOWN)) - needed
        controls = control_tokens(tokenizer)
        self._controls = {i: text for i, text in controls.items() if i not in unknown}
        self._pattern = pattern_of(self._controls.values())
        self._expected = self.controls_of(expected)
        self._frame = frame

    def encode(
        self, text: str, marked: Callable[[], str], *, expected: list[int] | None = None
    ) -> list[int]:
        """Return the token ids of a rendered prompt.

        Args:
            text: The prompt.
            marked: Renders the same prompt with `mark_facts`; called only if it is needed.
            expected: The control tokens of a prompt whose facts hold none; see `controls_of`. None
                for those of a prompt without facts.
        """
        return self._encode_parts([slice(None)], text, marked, expected)

    @property
    def controls(self) -> dict[int, str]:
        """The control tokens, by id."""
        return dict(self._controls)

    def encode_around(self, text: str, stand_ins: Mapping[str, str]) -> list[int]:
        """Return the token ids of a prompt in which single letters stand for texts of facts.

        Args:
            text: The prompt.
            stand_ins: Letter -> the text that it stands for, which is encoded as text even if it
                spells a control token.
        """
        if not stand_ins:
            return self._plain(text)
        pieces = re.split(f"([{''.join(map(re.escape, stand_ins))}])", text)
        return [
            token_id
            for piece in pieces
            for token_id in (
                self._as_text(stand_ins[piece]) if piece in stand_ins else self._plain(piece)
            )
        ]

    def controls_of(self, text: str) -> list[int]:
        """Return the ids of the control tokens in a text, in order."""
        return self._controls_in(self._plain(text))

    def encode_ends(
        self, text: str, marked: Callable[[], str], *, more_than: int
    ) -> list[int] | None:
        """Return ids of both ends of a long prompt if these alone exceed a number of tokens.

        The time depends on ``more_than`` and not on the prompt's length, unless single tokens stand
        for dozens of characters.

        Args:
            text: The prompt.
            marked: See `encode`.
            more_than: The number of tokens.

        Returns:
            The first ids and the last ids of the prompt; None if the prompt has to be encoded whole
            to know its length.
        """
        num_characters = 4 * more_than
        while 2 * num_characters < len(text):
            ends = [slice(num_characters), slice(len(text) - num_characters, None)]
            ids = self._encode_parts(ends, text, marked)
            if len(ids) > more_than + _CUT_TOKENS:
                return ids
            num_characters *= 4
        return None

    def _encode_parts(
        self,
        parts: list[slice],
        text: str,
        marked: Callable[[], str],
        expected: list[int] | None = None,
    ) -> list[int]:
        ids = [token_id for part in parts for token_id in self._plain(text[part])]
        if self._controls_in(ids) == (self._expected if expected is None else expected):
            return ids
        marks = self._align(text, marked())
        return [i for part in parts for i in self._encode_marked(text[part], marks[part])]

    def _controls_in(self, ids: list[int]) -> list[int]:
        return [token_id for token_id in ids if token_id in self._controls]

    def _align(self, text: str, marked: str) -> str:
        """Return a text as long as ``text`` with a mark at every character of a fact.

        If a template changes the length of facts, the whole user message counts as a fact.
        """
        if len(text) == len(marked) and _differ_in_marks_only(text, marked):
            return marked
        before, after = self._frame
        if not (text.startswith(before) and text.endswith(after)):
            before = after = ""
        return before + _MARK * (len(text) - len(before) - len(after)) + after

    def _encode_marked(self, text: str, marks: str) -> list[int]:
        """Encode everything plainly except the stretches in which facts forge control tokens."""
        ids, done = [], 0
        for start, stop in self._between_controls(text, marks):
            if self._controls_in(self._plain(text[start:stop])):
                ids += self._plain(text[done:start]) + self._as_text(text[start:stop])
                done = stop
        return ids + self._plain(text[done:])

    def _between_controls(self, text: str, marks: str) -> Iterator[tuple[int, int]]:
        """Yield the stretches between the control tokens that no fact is part of."""
        start = position = 0
        while match := self._pattern.search(text, position):
            if _MARK in marks[match.start() : match.end()]:
                position = match.start() + 1
                continue
            yield start, match.start()
            start = position = match.end()
        yield start, len(text)

    def _as_text(self, text: str) -> list[int]:
        ids = self._text_only(text)
        if not self._controls_in(ids):
            return ids
        # The tokenizer's model itself knows the control token: spell it.
        kept, done = list[int](), 0
        for match in self._pattern.finditer(text):
            kept += self._text_only(text[done : match.start()]) + self._spelled(match[0])
            done = match.end()
        kept += self._text_only(text[done:])
        return self._spelled(text) if self._controls_in(kept) else kept

    def _spelled(self, text: str) -> list[int]:
        ids = [token_id for letter in text for token_id in self._text_only(letter)]
        return [token_id for token_id in ids if token_id not in self._controls]


def mark_facts(inputs: PromptInputs, marks: Callable[[str], str] | None = None) -> PromptInputs:
    """Replace every character of the facts by a mark; whitespace stays, so layouts do too.

    Args:
        inputs: The facts.
        marks: Marks a text, whose length it keeps; None for `mark`.
    """
    marked = _mark_each(_facts(inputs), marks or mark)
    return replace(
        inputs,
        observation=next(marked),
        task=next(marked),
        sub_goal=next(marked),
        admissible_actions=tuple(next(marked) for _ in inputs.admissible_actions),
        results=inputs.results.marked(marks or mark),
        history=tuple(
            replace(past, observation=next(marked), action=next(marked)) for past in inputs.history
        ),
    )


def _facts(inputs: PromptInputs) -> list[str]:
    turns = [text for past in inputs.history for text in (past.observation, past.action)]
    return [inputs.observation, inputs.task, inputs.sub_goal, *inputs.admissible_actions, *turns]


def _mark_each(texts: list[str], marks: Callable[[str], str]) -> Iterator[str]:
    """Mark many texts at once, because there may be a hundred thousand actions."""
    marked, start = marks("".join(texts)), 0
    for text in texts:
        yield marked[start : start + len(text)]
        start += len(text)


def mark(text: str) -> str:
    """Replace every character except whitespace by a mark."""
    points = _code_points(text)
    is_space = _IS_SPACE[np.minimum(points, len(_IS_SPACE) - 1)]
    points = np.where(is_space, points, np.uint32(ord(_MARK)))
    return points.tobytes().decode(_UTF_32, _SURROGATES)


def _differ_in_marks_only(text: str, marked: str) -> bool:
    letters, marks = _code_points(text), _code_points(marked)
    return bool(((marks == ord(_MARK)) | (marks == letters)).all())


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(_UTF_32, _SURROGATES), np.uint32)


def _make_encoders(tokenizer: Any) -> tuple[Encode, Encode]:
    """Return a fast ``tokenizer(text, add_special_tokens=False)``, and one without special tokens.

    A Rust-backed tokenizer is called without its Python wrapper, which takes as long as the
    encoding itself. The backend is copied, because a call of the caller's tokenizer with padding or
    truncation leaves these switched on in its backend.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return _wrapped(tokenizer), _wrapped(tokenizer, split_special_tokens=True)
    plain, text_only = copy.deepcopy(backend), copy.deepcopy(backend)
    for one in (plain, text_only):
        one.no_padding()
        one.no_truncation()
    text_only.encode_special_tokens = True
    return (
        lambda text: plain.encode(text, add_special_tokens=False).ids,
        lambda text: text_only.encode(text, add_special_tokens=False).ids,
    )


def _wrapped(tokenizer: Any, **kwargs: Any) -> Encode:
    return lambda text: list(tokenizer(text, add_special_tokens=False, **kwargs)["input_ids"])
