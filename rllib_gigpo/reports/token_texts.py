"""The texts of single tokens: what each of them adds to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"  # what the first bytes of a longer character are decoded to


class TokenTexts:
    """Splits answers into the texts of their tokens.

    The texts of tokens that are decoded alone are kept, and are right if they add up to the answer.
    Otherwise tokens are decoded together with a few before them, in whose company they may have
    another text, such as one with a space.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Store a Hugging Face tokenizer."""
        self._tokenizer = tokenizer
        self._alone: dict[int, str] = {}

    def __call__(self, token_ids: Sequence[int]) -> list[str]:
        """Return one text for each token; together they are the text of all tokens.

        A character of several tokens belongs to the last of them.
        """
        whole = self._decode(token_ids)
        for token in token_ids:
            if token not in self._alone:
                self._alone[token] = self._decode([token])
        texts = [self._alone[token] for token in token_ids]
        return texts if "".join(texts) == whole else self._in_context(token_ids, whole)

    def _in_context(self, token_ids: Sequence[int], whole: str) -> list[str]:
        texts, start, read = [], 0, 0  # tokens from `read` on are not yet told
        for end in range(1, len(token_ids) + 1):
            before = self._decode(token_ids[start:read])
            after = self._decode(token_ids[start:end])
            if after.endswith(_UNFINISHED) and end < len(token_ids):
                texts.append("")
                continue
            texts.append(after[len(before) :])
            start, read = read, end
        if "".join(texts) == whole:
            return texts
        return [*[""] * (len(token_ids) - 1), whole] if token_ids else []

    def _decode(self, token_ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(token_ids, skip_special_tokens=False)
        return text
