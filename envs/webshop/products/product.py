"""A product of the shop, and the function that reads it from WebShop's item files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...common.clean_text import valid_text
from .fields import FieldReader

_DEFAULT_PRICE = 100.0


@dataclass(frozen=True, slots=True)
class Product:
    """The data of one product.

    Attributes:
        asin: The product's number, at most 10 characters.
        category: One of WebShop's five departments, such as "fashion".
        query: The query by which WebShop's crawler found it, in lower case; the kind of product.
        product_category: The path in the store, with parts joined by "›".
        title: The product's name.
        description: A description, possibly empty.
        bullets: The product's features.
        attributes: Short phrases that goals ask for.
        options: Option name -> values, all lower case, in the order of the page.
        price_range: One price in dollars, or the two ends of a range.
        price_tag: The price as shown on the page.
    """

    asin: str
    category: str
    query: str
    product_category: str
    title: str
    description: str
    bullets: tuple[str, ...]
    attributes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    price_range: tuple[float, ...]
    price_tag: str


def read_product(read: FieldReader, attributes: tuple[str, ...]) -> Product:
    """Read one record of the item file; the attributes are from another file.

    Raises:
        CatalogueError: A field is missing or has a wrong type.
    """
    prices = _prices(read)
    return Product(
        asin=read.text("asin"),
        category=read.text("category"),
        query=read.text("query").lower().strip(),
        product_category=read.text("product_category"),
        title=read.text("name"),
        description=read.text("full_description"),
        bullets=_bullets(read),
        attributes=attributes,
        options=_options(read),
        price_range=prices,
        price_tag=" to ".join(f"${price}" for price in prices),
    )


def _bullets(read: FieldReader) -> tuple[str, ...]:
    bullets = read.value("small_description")
    return (valid_text(bullets),) if isinstance(bullets, str) else read.texts("small_description")


def _options(read: FieldReader) -> dict[str, tuple[str, ...]]:
    options = read.value("customization_options") or {}
    try:
        return {
            valid_text(name).lower(): tuple(
                valid_text(choice["value"]).strip().replace("/", " | ").lower()
                for choice in choices
            )
            for name, choices in options.items()
            if choices is not None
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise read.error(
            "customization_options", 'is not like {"Color": [{"value": "red"}, ...]}'
        ) from error


def _prices(read: FieldReader) -> tuple[float, ...]:
    pricing = read.record.get("pricing")
    if not pricing:
        return (_DEFAULT_PRICE,)
    try:
        prices = [float(re.sub(r"[^\d.]", "", part)) for part in pricing.split("$")[1:3]]
    except (AttributeError, ValueError) as error:
        raise read.error("pricing", f"is {pricing!r}, not like '$9.99' or '$5$7'") from error
    if not prices:
        raise read.error("pricing", f"is {pricing!r}, without a '$' before a price")
    return tuple(prices)
