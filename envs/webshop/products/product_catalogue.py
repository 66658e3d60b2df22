"""The catalogue: all products of a shop, read from WebShop's files or generated."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .fields import CatalogueError, FieldReader
from .product import Product, read_product

_PRICE_SEED = 233
_LONGEST_ASIN = 10
_NO_ATTRIBUTES = ("DUMMY_ATTR",)


class Catalogue:
    """The products, each with the single price that scoring uses.

    Attributes:
        products: The products in the order of the file, which breaks ties in searches.
        by_asin: The same products by asin.
        prices: asin -> dollars; drawn from the range if the shop shows one.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        """Index the products and draw the prices, which are the same in every process."""
        rng = random.Random(_PRICE_SEED)
        self.products = tuple(products)
        self.by_asin = {product.asin: product for product in self.products}
        self.prices = {
            product.asin: product.price_range[0]
            if len(product.price_range) == 1
            else rng.uniform(*product.price_range)
            for product in self.products
        }

    def with_attribute(self, attribute: str) -> list[Product]:
        """Return the products that have an attribute, in the catalogue's order."""
        return [product for product in self.products if attribute in product.attributes]


def read_catalogue(
    records: Iterable[Mapping[str, Any]],
    attributes: Mapping[str, Mapping[str, Any]],
    *,
    items_file: str,
    attributes_file: str,
) -> Catalogue:
    """Read all records except repeated ones and those without a real asin.

    Args:
        records: The content of the item file.
        attributes: The content of the attribute file, asin -> entry.
        items_file: Name of the item file, for error messages.
        attributes_file: Name of the attribute file, for error messages.

    Raises:
        CatalogueError: No product is left, or a record lacks a field.
    """
    products: dict[str, Product] = {}
    for number, record in enumerate(records):
        asin = FieldReader(record, f"{items_file}: product number {number}").text("asin")
        if asin != "nan" and len(asin) <= _LONGEST_ASIN and asin not in products:
            entry = FieldReader(attributes.get(asin, {}), f"{attributes_file}: product {asin!r}")
            has_attributes = "attributes" in entry.record
            products[asin] = read_product(
                FieldReader(record, f"{items_file}: product {asin!r}"),
                entry.texts("attributes") if has_attributes else _NO_ATTRIBUTES,
            )
    if not products:
        raise CatalogueError(f"{items_file} contains no products. Use one of WebShop's item files.")
    return Catalogue(list(products.values()))


def read_json(path: str | Path, *, kind: type) -> Any:
    """Read a JSON file whose top level is a ``kind`` (list or dict).

    Raises:
        CatalogueError: The file is missing, is not JSON, or contains something else.
    """
    path = Path(path).expanduser()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # may have a byte order mark
    except OSError as error:
        raise CatalogueError(
            f"{path} cannot be read ({error.strerror}). Give the path of one of WebShop's files, "
            "or none to play in the generated shop."
        ) from error
    except (RecursionError, ValueError) as error:
        raise CatalogueError(f"{path} is not JSON ({error}). Download it again.") from error
    if not isinstance(content, kind):
        raise CatalogueError(
            f"{path} contains a {type(content).__name__}, not a {kind.__name__} as WebShop's file "
            "does. Check that it is the right file."
        )
    return content
