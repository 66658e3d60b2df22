"""A generator of catalogues in the format of WebShop's files, to play without data."""

from __future__ import annotations

import random
import string
from itertools import product
from typing import Any

from .synthetic_words import BRANDS, KINDS, MODELS, Kind

_ASIN_LETTERS = string.ascii_uppercase + string.digits
_NUM_VALUES = {"Color": 4, "Scent": 3, "Flavor": 3}
_MAX_VALUES = 3


def synthetic_files(
    *, num_products: int, seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Generate the content of WebShop's three files; a longer catalogue begins with a shorter one.

    Args:
        num_products: Number of products; the kinds of product alternate.
        seed: Seed of the products.

    Returns:
        The contents of items_shuffle*.json, items_ins_v2*.json and items_human_ins.json.
    """
    rng = random.Random(seed)
    names = list(product(BRANDS, MODELS))
    rng.shuffle(names)
    records, attributes, instructions = [], {}, {}
    for number in range(num_products):
        kind = KINDS[number % len(KINDS)]
        brand, model = names[number % len(names)]
        asin = f"B{number:03d}{''.join(rng.choices(_ASIN_LETTERS, k=6))}"[:10]
        features = rng.sample(kind.features, rng.randint(3, 5))
        record = _record(kind, f"{brand} {model}", features, rng)
        records.append({"asin": asin, **record})
        attributes[asin] = _attributes(kind, features, rng)
        instructions[asin] = [_human_instruction(kind, features, record, rng)]
    return records, attributes, instructions


def _record(kind: Kind, name: str, features: list[str], rng: random.Random) -> dict[str, Any]:
    return {
        "name": f"{name} {kind.query.title()}, {', '.join(features[:3]).title()}",
        "category": kind.category,
        "query": kind.query,
        "product_category": kind.path,
        "full_description": f"{name} makes {kind.query} that are {' and '.join(features)}.",
        "small_description": [f"{feature.capitalize()}" for feature in features],
        "pricing": _pricing(kind, rng),
        "customization_options": {
            option: [{"value": value} for value in _some_values(option, values, rng)]
            for option, values in kind.options.items()
        },
    }


def _some_values(option: str, values: tuple[str, ...], rng: random.Random) -> list[str]:
    """Draw some of the values and keep their order."""
    num_values = min(len(values), _NUM_VALUES.get(option, _MAX_VALUES))
    drawn = set(rng.sample(values, num_values))
    return [value for value in values if value in drawn]


def _pricing(kind: Kind, rng: random.Random) -> str:
    """Return one price, two prices, or (rarely) none, as in the crawled data."""
    low = kind.dollars * rng.uniform(0.6, 1.4)
    form = rng.choices(("${low:.2f}", "${low:.2f}${high:.2f}", ""), (0.65, 0.3, 0.05))[0]
    return form.format(low=low, high=low * rng.uniform(1.1, 1.6))


def _attributes(kind: Kind, features: list[str], rng: random.Random) -> dict[str, Any]:
    wanted = rng.sample(features, 2)
    return {
        "attributes": features,
        "instruction": f"Find me {kind.query} with {', '.join(wanted)}",
        "instruction_attributes": wanted,
    }


def _human_instruction(
    kind: Kind, features: list[str], record: dict[str, Any], rng: random.Random
) -> dict[str, Any]:
    wanted = rng.sample(features, 2)
    values = [rng.choice(choices)["value"] for choices in record["customization_options"].values()]
    return {
        "instruction": f"i want {kind.query} in {' and '.join(values)}, {' and '.join(wanted)}.",
        "instruction_attributes": wanted,
        "instruction_options": values,
    }
