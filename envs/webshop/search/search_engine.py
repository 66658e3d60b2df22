"""The shop's search box: words are ranked by BM25, four marks ask for something else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from ..products.product_catalogue import Catalogue
from ..products.products import Product
from .lucene_index import LuceneIndex

NUM_RESULTS = 50


class SearchEngine:
    """Answers queries over one catalogue.

    A query that starts with a mark is special: "<r>" gives 50 random products, "<a> x" those with
    attribute x, "<c> x" those of category x, "<q> x" those that the query x was crawled for.
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
        """Return the products found, the best first; ``rng`` draws the random ones."""
        mark, _, words = query.partition(" ")
        if mark == "<r>":
            products = self._catalogue.products
            return rng.sample(products, min(NUM_RESULTS, len(products)))
        if mark in self._filters:
            return self._filters[mark](words.strip())
        return self.ranking(query)

    def ranking(self, query: str) -> tuple[Product, ...]:
        """Return what BM25 finds, at most 50 products."""
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
    """Return what is indexed of a product."""
    options = ", and ".join(
        f"{name}: {', '.join(values)}" for name, values in product.options.items()
    )
    bullet = product.bullets[0] if product.bullets else ""
    return " ".join([product.title, product.description, bullet, options]).lower()
