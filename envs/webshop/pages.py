"""The shop's pages as text: their visible strings and clickable elements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .products.product import Product

SEPARATOR = " [SEP] "
PAGE_SIZE = 10
SEARCH, BACK, PREVIOUS, NEXT, BUY = "search", "back to search", "< prev", "next >", "buy now"
SUB_PAGES = ("description", "features", "reviews")
_UNUSED_FIELDS = ("attrs", "category", "query", "product category")
_TARGET_FIELDS = (
    # "instuction" is WebShop's spelling.
    *("asin", "options", "attrs", "price upper", "instuction text"),
    *("category", "product category", "query"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as the agent sees it.

    Attributes:
        head: The strings up to and including the goal's words.
        body: The other strings.
        buttons: Lower-case names of the buttons.
        links: Lower-case asin -> product that a click on it opens.
        radio_names: Option value -> name of the option that a click on it sets; of equal values,
            the last on the page counts.
        has_search_bar: Whether the page shows the search bar.
    """

    head: tuple[str, ...]
    body: tuple[str, ...]
    buttons: tuple[str, ...] = ()
    links: Mapping[str, Product] = field(default_factory=dict)
    radio_names: Mapping[str, str] = field(default_factory=dict)
    has_search_bar: bool = False

    @property
    def text(self) -> str:
        """All strings, joined."""
        return SEPARATOR.join((*self.head, *self.body))

    @property
    def text_without_goal(self) -> str:
        """The strings after the goal's words, joined."""
        return SEPARATOR.join(self.body)

    @property
    def clickables(self) -> list[str]:
        """The names that ``click[...]`` accepts, each once, in the page's order."""
        return list(dict.fromkeys((*self.buttons, *self.links, *self.radio_names)))


def start_page(instruction: str) -> Page:
    """Return the page with the search bar."""
    head = ("WebShop", *_goal_strings(instruction))
    return Page(head, ("Search",), (SEARCH,), has_search_bar=True)


def results_page(instruction: str, products: Sequence[Product], page_number: int) -> Page:
    """Return a page of search results, which is empty beyond the last page."""
    first = (page_number - 1) * PAGE_SIZE
    listed = products[first : first + PAGE_SIZE]
    turn = ("< Prev", "Next >") if page_number > 1 else ("Next >",)
    found = f"Page {page_number} (Total results: {len(products)})"
    rows = (text for p in listed for text in (p.asin, p.title, p.price_tag))
    body = _visible(("Back to Search", found, *turn, *rows))
    buttons = (BACK, *(name.lower() for name in turn))
    links = {product.asin.lower(): product for product in listed}
    return Page(_goal_strings(instruction), body, buttons, links=links)


def item_page(instruction: str, product: Product) -> Page:
    """Return the page of a product with its options; chosen options are not marked."""
    options = (text for name, values in product.options.items() for text in (name, *values))
    closing = ("Rating: N.A.", "Description", "Features", "Reviews", "Buy Now")
    price = f"Price: {product.price_tag}"
    body = _visible(("Back to Search", "< Prev", *options, product.title, price, *closing))
    radio_names = {value: name for name, values in product.options.items() for value in values}
    buttons = (BACK, PREVIOUS, *SUB_PAGES, BUY)
    return Page(_goal_strings(instruction), body, buttons, radio_names=radio_names)


def sub_page(instruction: str, product: Product, name: str) -> Page:
    """Return a product's page of the description, features or (always empty) reviews."""
    texts = {"description": (product.description,), "features": product.bullets, "reviews": ()}
    body = _visible(("Back to Search", "< Prev", *texts[name]))
    return Page(_goal_strings(instruction), body, (BACK, PREVIOUS))


def done_page(product: Product, options: Mapping[str, str], score: float) -> Page:
    """Return the page after the purchase, with most of its fields blank."""
    bought = ("asin", product.asin, "options", json.dumps(options))
    unused = (text for name in _UNUSED_FIELDS for text in (name, "None"))
    strings = (
        *("Thank you for shopping with us!", "Your code:", "None"),
        *("(Paste it in your MTurk interface.)", "Purchased", *bought, *unused),
        *("Target", *_TARGET_FIELDS, "Goal", "None"),
        *("Reward", "Your score (min 0.0, max 1.0)", str(score), "Reward Details", "None"),
    )
    return Page((), strings)


def _goal_strings(instruction: str) -> tuple[str, ...]:
    return _visible(("Instruction:", instruction))


def _visible(strings: Iterable[str]) -> tuple[str, ...]:
    """Strip the strings and drop the blank ones, as in the visible text of a web page."""
    return tuple(text for string in strings if (text := string.strip()))
