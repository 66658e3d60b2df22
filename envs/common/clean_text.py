"""Text from outside, made fit for tokenizers."""

from __future__ import annotations


def valid_text(text: str) -> str:
    r"""Replace what is no Unicode text: JSON can say "\ud800", and no tokenizer can read it."""
    return text.encode("utf-8", "replace").decode()
