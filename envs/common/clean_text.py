"""Cleaning of external text for tokenizers."""

from __future__ import annotations


def valid_text(text: str) -> str:
    r"""Replace lone surrogates: JSON may hold "\ud800", and no tokenizer can read it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
