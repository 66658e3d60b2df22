"""One product of the shop, and how it is read from a record of WebShop's item files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DEFAULT_PRICE = 100.0
_NO_ATTRIBUTES = ("DUMMY_ATTR",)
_MISSING = object()


class CatalogueError(ValueError):
    """A catalogue's file is missing, broken, or lacks a field."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the shop knows and shows of one product.

    Attributes:
        asin: Its number, at most 10 characters.
        category: One of WebShop's five departments, such as "fashion".
        query: What its crawler typed to find it, lower case; the kind of product.
        product_category: The path in the store, parts joined by "›".
        title: Its name.
        description: A text, maybe empty.
        bullets: Its features.
        attributes: Short phrases that goals ask for.
        options: Option name -> values, all lower case, in the order of the page.
        price_range: One price in dollars, or the two ends of a range.
        price_tag: How the price is shown.
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


def read_product(
    record: Mapping[str, Any], attributes: Mapping[str, Any], *, items_file: str, number: int
) -> Product:
    """Read one record.

    Args:
        record: An element of the item file's list.
        attributes: The product's entry in the attribute file; empty if it has none.
        items_file: Its name, for error messages.
        number: Position of the record in the file, for error messages.

    Raises:
        CatalogueError: If a field is missing or of a wrong type.
    """
    read = _FieldReader(record, where=f"{items_file}: product {record.get('asin', number)!r}")
    prices = _prices(read)
    return Product(
        asin=read.text("asin"),
        category=read.text("category"),
        query=read.text("query").lower().strip(),
        product_category=read.text("product_category"),
        title=read.text("name"),
        description=read.text("full_description"),
        bullets=_bullets(read),
        attributes=tuple(attributes.get("attributes", _NO_ATTRIBUTES)),
        options=_options(read),
        price_range=prices,
        price_tag=" to ".join(f"${price}" for price in prices),
    )


@dataclass(frozen=True, slots=True)
class _FieldReader:
    """Reads fields of a record; its errors name the file, the product and the field."""

    record: Mapping[str, Any]
    where: str

    def text(self, field: str) -> str:
        value = self.value(field)
        if not isinstance(value, str):
            raise self.error(field, f"is {type(value).__name__}, not text")
        return value

    def value(self, field: str) -> Any:
        value = self.record.get(field, _MISSING)
        if value is _MISSING:
            raise self.error(field, "is missing")
        return value

    def error(self, field: str, complaint: str) -> CatalogueError:
        return CatalogueError(
            f"{self.where}: field {field!r} {complaint}. Repair the file, or use WebShop's own "
            "items_shuffle*.json."
        )


def _bullets(read: _FieldReader) -> tuple[str, ...]:
    bullets = read.value("small_description")
    bullets = [bullets] if isinstance(bullets, str) else bullets
    if not isinstance(bullets, list) or not all(isinstance(bullet, str) for bullet in bullets):
        raise read.error("small_description", "is neither text nor a list of texts")
    return tuple(bullets)


def _options(read: _FieldReader) -> dict[str, tuple[str, ...]]:
    options = read.value("customization_options") or {}
    try:
        return {
            name.lower(): tuple(
                choice["value"].strip().replace("/", " | ").lower() for choice in choices
            )
            for name, choices in options.items()
            if choices is not None
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise read.error(
            "customization_options", 'is not like {"Color": [{"value": "red"}, ...]}'
        ) from error


def _prices(read: _FieldReader) -> tuple[float, ...]:
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
