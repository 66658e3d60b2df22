"""The shop's search: a BM25 ranking, plus four special kinds of query."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from ..products.product import Product
from ..products.product_catalogue import Catalogue
from .lucene_index import LuceneIndex

NUM_RESULTS = 50


class SearchEngine:
    """A search engine over one catalogue.

    Queries that start with a mark are special: "<r>" returns 50 random products, "<a> x" those with
    attribute x, "<c> x" those of category x, and "<q> x" those crawled with the query x.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the catalogue."""
        self._catalogue = catalogue
        self._index = LuceneIndex(document_text(product) for product in catalogue.products)
        self._cached_ranking = lru_cache(maxsize=4096)(self._rank)  # groups repeat queries
        self._filters: dict[str, Callable[[str], Sequence[Product]]] = {
            "<a>": catalogue.with_attribute,
            "<c>": self._in_category,
            "<q>": self._crawled_for,
        }

    def search(self, query: str, rng: random.Random) -> Sequence[Product]:
        """Return the products found, best first; ``rng`` draws the random ones."""
        mark, _, words = query.partition(" ")
        if mark == "<r>":
            products = self._catalogue.products
            return rng.sample(products, min(NUM_RESULTS, len(products)))
        if mark in self._filters:
            return self._filters[mark](words.strip())
        return self.ranking(query)

    def ranking(self, query: str) -> tuple[Product, ...]:
        """Return the best products by BM25, at most 50."""
        return self._cached_ranking(query)

    def _rank(self, query: str) -> tuple[Product, ...]:
        found = self._index.search(query, num_results=NUM_RESULTS)
        return tuple(self._catalogue.products[number] for number, _ in found)

    def _in_category(self, words: str) -> list[Product]:
        category = words.partition(" ")[0]
        return [p for p in self._catalogue.products if p.category == category]

    def _crawled_for(self, words: str) -> list[Product]:
        return [p for p in self._catalogue.products if p.query == words]


def document_text(product: Product) -> str:
    """Return the text of a product that is indexed."""
    options = ", and ".join(
        f"{name}: {', '.join(values)}" for name, values in product.options.items()
    )
    bullet = product.bullets[0] if product.bullets else ""
    return " ".join([product.title, product.description, bullet, options]).lower()
