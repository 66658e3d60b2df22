"""Goals of customers, made from the attribute file or written by people."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

from .products.fields import CatalogueError, FieldReader
from .products.product import Product
from .products.product_catalogue import Catalogue

_GOAL_SEED = 233
_PRICE_CAPS = range(10, 1000, 10)
_NUM_NEAREST_CAPS = 4
_NO_PRICE_CAP = 1_000_000.0

GoalOption = tuple[str, str] | str
"""A name and a value in a synthetic goal; only a value in a human goal."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A customer's goal.

    Attributes:
        product: A product that meets the goal.
        instruction: The goal in words.
        attributes: Phrases that the purchase should have; at least one.
        options: Options that should be chosen.
        price_upper: The highest acceptable price, in dollars.
        weight: How likely the goal is to be drawn, relative to others.
    """

    product: Product
    instruction: str
    attributes: tuple[str, ...]
    options: tuple[GoalOption, ...]
    price_upper: float
    weight: float = 1.0


def synthetic_goals(
    catalogue: Catalogue, attributes: Mapping[str, Mapping[str, Any]], *, attributes_file: str
) -> list[Goal]:
    """Make a goal from each combination of options of each product that has an instruction.

    The weight of a goal is the mean of ``1 / n(a)`` over its attributes ``a``, with ``n(a)`` the
    number of goals that ask for ``a``. The list is always shuffled in the same way.

    Raises:
        CatalogueError: An instruction has no attributes, or no product has an instruction.
    """
    rng = random.Random(_GOAL_SEED)
    goals: list[Goal] = []
    for product in catalogue.products:
        entry = attributes.get(product.asin, {})
        if entry.get("instruction") is not None:
            read = FieldReader(entry, f"{attributes_file}: product {product.asin!r}")
            wanted = read.texts("instruction_attributes")
            if not wanted:
                raise read.error("instruction_attributes", "is empty")
            cap = _price_cap(catalogue.prices[product.asin], rng)
            goals += _goals_of(product, read.text("instruction"), wanted, cap)
    counts = Counter(attribute for goal in goals for attribute in goal.attributes)
    weighted = [replace(goal, weight=_weight(goal.attributes, counts)) for goal in goals]
    return _shuffled(weighted, attributes_file)


def human_goals(
    catalogue: Catalogue,
    instructions: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    instructions_file: str,
) -> list[Goal]:
    """Read the goals that people wrote, without those that name no attribute, and shuffle them.

    Raises:
        CatalogueError: An entry lacks a field, or there is no entry for the catalogue's products.
    """
    rng = random.Random(_GOAL_SEED)
    goals = []
    for product in catalogue.products:
        for entry in instructions.get(product.asin, ()):
            read = FieldReader(entry, f"{instructions_file}: product {product.asin!r}")
            wanted = read.texts("instruction_attributes")
            options = read.texts("instruction_options")
            words = read.text("instruction").strip(".")
            if wanted:
                cap = _price_cap(catalogue.prices[product.asin], rng)
                goals.append(Goal(product, words + _price_words(cap), wanted, options, cap))
    return _shuffled(goals, instructions_file)


def _goals_of(
    product: Product, instruction: str, attributes: tuple[str, ...], cap: float
) -> Iterator[Goal]:
    names = sorted(product.options)
    for values in combinations(*(product.options[name] for name in names)):
        options = tuple(zip(names, values, strict=True))
        wish = ", and ".join(f"{name}: {value}" for name, value in options)
        words = f"{instruction}{' with ' + wish if wish else ''}{_price_words(cap)}"
        yield Goal(product, words, attributes, options, cap)


def _price_cap(price: float, rng: random.Random) -> float:
    """Draw the larger of two of the four nearest round prices above ``price``."""
    caps = [cap for cap in _PRICE_CAPS if cap > price][:_NUM_NEAREST_CAPS]
    return float(max(rng.sample(caps, 2))) if len(caps) > 1 else _NO_PRICE_CAP


def _price_words(cap: float) -> str:
    return "" if cap == _NO_PRICE_CAP else f", and price lower than {cap:.2f} dollars"


def _weight(attributes: Sequence[str], counts: Counter[str]) -> float:
    return sum(1 / counts[attribute] for attribute in attributes) / len(attributes)


def _shuffled(goals: list[Goal], file: str) -> list[Goal]:
    """Shuffle as WebShop does, so that a number means the same goal there and here."""
    if not goals:
        raise CatalogueError(
            f"{file} has no goal for the products of the catalogue. Use two files that belong "
            "together."
        )
    random.Random(_GOAL_SEED).shuffle(goals)
    return goals
