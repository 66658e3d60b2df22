"""Grids of symbols as text, in the two layouts that agents for grid games are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LAYOUTS = ("spaced", "compact")
"""spaced: a space on each side of a cell and tabs between cells, as verl-agent writes them (a
tokenizer sees every cell on its own); compact: rows without separators, as ROLL writes them."""


def grid_text(rows: Iterable[Sequence[str]], layout: str) -> str:
    """Join each row's symbols as ``layout`` (one of ``LAYOUTS``) says, and the rows by newlines."""
    if layout == "compact":
        return "\n".join("".join(row) for row in rows)
    return "\n".join("\t".join(f" {symbol} " for symbol in row) for row in rows)
