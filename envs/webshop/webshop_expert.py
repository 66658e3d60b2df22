"""An expert shopper who knows the goal's product, finds it, chooses its options and buys it."""

from __future__ import annotations

from functools import cached_property

from . import pages
from .goals import Goal
from .pages import PAGE_SIZE
from .products.product import Product
from .scoring.colors import normalize_color
from .scoring.similarity import token_set_ratio
from .search.search_engine import SearchEngine
from .session import Session


class WebShopExpert:
    """An expert with actions that lead to the best score from every page."""

    def __init__(self, goal: Goal, engine: SearchEngine) -> None:
        """Keep the goal; a query for it is chosen when first needed."""
        self._goal, self._engine = goal, engine

    def suggest(self, session: Session) -> str | None:
        """Return the next action, or None if none is known."""
        if session.page.has_search_bar:
            return f"search[{self._query}]" if self._query else None
        if session.is_sub_page:
            return _click(pages.PREVIOUS)
        if session.product is self._goal.product:
            return self._next_choice(session)
        if session.product is None and self._goal.product in session.page.links.values():
            return _click(self._goal.product.asin.lower())
        return self._browse(session)

    def _next_choice(self, session: Session) -> str:
        for name, value in self._choices.items():
            if session.options.get(name) != value and _can_choose(session, name, value):
                return _click(value)
        return _click(pages.BUY)

    def _browse(self, session: Session) -> str:
        """Turn to the results page that lists the product, or go back to search for it."""
        is_on_trail = session.product is None and session.query == self._query
        if not is_on_trail:
            return _click(pages.BACK)
        target = self._rank(self._query) // PAGE_SIZE + 1
        return _click(pages.NEXT if session.page_number < target else pages.PREVIOUS)

    @cached_property
    def _query(self) -> str:
        """The first query that lists the product on page 1, or else on another page.

        The goal's words come before the product's title, which only the expert knows.
        """
        kind, attributes = self._goal.product.query, " ".join(self._goal.attributes)
        words = (kind, f"{attributes} {kind}", self._goal.product.title)
        queries = [" ".join(text.lower().split()) for text in words]
        for query in queries:
            if 0 <= self._rank(query) < PAGE_SIZE:
                return query
        return next((query for query in reversed(queries) if self._rank(query) >= 0), "")

    @cached_property
    def _choices(self) -> dict[str, str]:
        """The value to choose for each option name."""
        choices = {}
        for wanted in self._goal.options:
            choice = (
                _closest_option(self._goal.product, wanted) if isinstance(wanted, str) else wanted
            )
            if choice is not None:
                choices[choice[0]] = choice[1]
        return choices

    def _rank(self, query: str) -> int:
        """Return the product's rank among the results, from 0, or -1 if it is not among them."""
        ranking = self._engine.ranking(query)
        return ranking.index(self._goal.product) if self._goal.product in ranking else -1


def _closest_option(product: Product, wanted: str) -> tuple[str, str] | None:
    """Return the name and value that best fit what a person asked for."""
    options = [(name, value) for name, values in product.options.items() for value in values]
    color = normalize_color(wanted)
    return max(
        options,
        key=lambda option: (
            option[1] == wanted,
            token_set_ratio(normalize_color(option[1]), color),
        ),
        default=None,
    )


def _can_choose(session: Session, name: str, value: str) -> bool:
    """Return whether a click on the value sets this option, not a button or other option."""
    page = session.page
    return bool(value) and value not in page.buttons and page.radio_names.get(value) == name


def _click(name: str) -> str:
    return f"click[{name}]"
