"""Cleaning of external text for tokenizers."""

from __future__ import annotations


def valid_text(text: str) -> str:
    r"""Return plain text: a str itself, without lone surrogates.

    JSON may hold "\ud800", and no tokenizer can read it. A subclass may write itself differently:
    a member of an Enum of texts writes its class and its name into a prompt.
    """
    plain = text if type(text) is str else str.__str__(text)
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()
