"""Grids of symbols as text, in the two ways that agents for grid games are shown them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LAYOUTS = ("spaced", "compact")
"""spaced: cells between blanks and separated by tabs, as verl-agent writes them (a tokenizer sees
every cell by itself); compact: rows without separators, as ROLL writes them."""


def grid_text(rows: Iterable[Sequence[str]], layout: str) -> str:
    """Join the symbols of each row by ``layout`` (one of ``LAYOUTS``), and the rows by newlines."""
    if layout == "compact":
        return "\n".join("".join(row) for row in rows)
    return "\n".join("\t".join(f" {symbol} " for symbol in row) for row in rows)
