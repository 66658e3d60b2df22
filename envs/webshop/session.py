"""A customer's visit: the page, the chosen options, and the effects of actions."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from . import pages
from .goals import Goal
from .pages import Page
from .products.product import Product
from .scoring.reward import PurchaseScore
from .search.search_engine import SearchEngine

Judge = Callable[[Goal, Product, Mapping[str, str]], PurchaseScore]
"""A function from a goal, a product and the chosen options to the score of the purchase."""

_ACTION = re.compile(r"(search|click)\[(.+)\]", re.DOTALL)


def read_action(action: str) -> tuple[str, str] | None:
    """Split "search[red shoes]" into ("search", "red shoes"); return None for any other text."""
    match = _ACTION.match(action.strip().lower())
    return (match[1], match[2]) if match else None


class Session:
    """One visit, from the start page to the purchase.

    Attributes:
        goal: The customer's goal.
        page: The current page.
        product: The product whose page or sub-page is shown, or that was bought.
        options: Option name -> chosen value; every search clears it.
        query: The last search; empty on the start page.
        page_number: Number of the results page shown last, from 1.
        score: The score of the purchase; None before it.
    """

    def __init__(self, goal: Goal, engine: SearchEngine, judge: Judge, rng: random.Random) -> None:
        """Open the start page."""
        self.goal = goal
        self._engine, self._judge, self._rng = engine, judge, rng
        self.score: PurchaseScore | None = None
        self.page: Page
        self.product: Product | None
        self.options: dict[str, str]
        self.query: str
        self.page_number: int
        self._start()

    @property
    def is_sub_page(self) -> bool:
        """Whether the description, the features or the reviews are shown."""
        return self.product is not None and pages.BUY not in self.page.buttons and not self.score

    def act(self, action: str) -> bool:
        """Carry out an action; text that is not a possible action changes nothing.

        The search works on every page, even without a search bar.

        Returns:
            Whether the text was a possible action.
        """
        name, argument = read_action(action) or ("", "")
        if name == "search":
            self._search(argument)
        elif name == "click" and argument in self.page.clickables and argument != pages.SEARCH:
            self._click(argument)
        else:
            return False
        return True

    def _click(self, name: str) -> None:
        if name == pages.BUY:
            self._buy()
        elif name == pages.BACK:
            self._start()
        elif name in (pages.PREVIOUS, pages.NEXT) and name in self.page.buttons:
            self._turn(name)
        elif name in pages.SUB_PAGES and self.product is not None:
            self.page = pages.sub_page(self.goal.instruction, self.product, name)
        elif name in self.page.links:
            self._open(self.page.links[name])
        else:
            self.options[self.page.radio_names[name]] = name

    def _turn(self, name: str) -> None:
        """Turn a results page, or go up from a sub-page or a product's page."""
        if self.product is None:
            self._search(self.query, self.page_number + (1 if name == pages.NEXT else -1))
        elif self.is_sub_page:
            self._open(self.product)
        else:
            self._search(self.query, self.page_number)

    def _start(self) -> None:
        self.product, self.options = None, {}
        self.query, self.page_number = "", 1
        self.page = pages.start_page(self.goal.instruction)

    def _search(self, query: str, page_number: int = 1) -> None:
        self.product, self.options = None, {}
        self.query, self.page_number = query, page_number
        found = self._engine.search(query, self._rng)
        self.page = pages.results_page(self.goal.instruction, found, page_number)

    def _open(self, product: Product) -> None:
        self.product = product
        self.page = pages.item_page(self.goal.instruction, product)

    def _buy(self) -> None:
        if self.product is not None:
            self.score = self._judge(self.goal, self.product, self.options)
            self.page = pages.done_page(self.product, self.options, self.score.reward)
