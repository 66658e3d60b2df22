"""A shop: catalogue, search engine and goals, loaded once and shared within a process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..common.option_checks import check_choice, check_whole
from .goal_split import GoalSplit
from .goals import Goal, human_goals, synthetic_goals
from .products.fields import CatalogueError
from .products.product_catalogue import Catalogue, read_catalogue, read_json
from .products.synthetic_products import synthetic_files
from .search.analyzer import check_installed
from .search.search_engine import SearchEngine

GOALS = ("synthetic", "human")
_NUM_SYNTHETIC_PRODUCTS = 200
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """The settings that select a shop.

    Attributes:
        goals: "synthetic" or "human".
        items_file: WebShop's items_shuffle*.json; None generates a catalogue.
        attributes_file: WebShop's items_ins_v2*.json that belongs to ``items_file``.
        instructions_file: WebShop's items_human_ins.json; only for human goals.
        num_products: Number of products to read or generate; None means the whole file, or 200.
        catalogue_seed: Seed of the generated catalogue.
        num_test_goals: Number of goals held out for tests; for None, see ``goal_split``.
    """

    goals: str = "synthetic"
    items_file: str | None = None
    attributes_file: str | None = None
    instructions_file: str | None = None
    num_products: int | None = None
    catalogue_seed: int = 0
    num_test_goals: int | None = None

    def check(self) -> None:
        """Raise a ValueError if a setting is wrong."""
        check_choice("goals", self.goals, GOALS)
        check_whole("catalogue_seed", self.catalogue_seed, low=0)
        for name in ("num_products", "num_test_goals"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), low=1)
        files = {"items_file": self.items_file, "attributes_file": self.attributes_file}
        if self.goals == "human":
            files["instructions_file"] = self.instructions_file
        given = {"instructions_file": self.instructions_file, **files}
        missing = [name for name, file in files.items() if file is None]
        if any(given.values()) and missing:
            raise ValueError(
                f"WebShop's files belong together: {' and '.join(missing)} must be given, too. "
                "Leave out all files to play in the generated shop."
            )
        if self.goals == "synthetic" and self.instructions_file is not None:
            raise ValueError("instructions_file needs goals='human'. Set that, or leave it out.")


@dataclass(frozen=True, slots=True)
class Shop:
    """The immutable data that all visits in a process share."""

    catalogue: Catalogue
    engine: SearchEngine
    goals: GoalSplit


def open_shop(settings: ShopSettings) -> Shop:
    """Return the shop for these settings, the same object every time within a process.

    Raises:
        ImportError: A package of the extra is missing.
        ValueError: Settings contradict each other, or a file is missing or broken.
    """
    check_installed()
    settings.check()
    with _LOCK:  # of several threads, the first loads and the others wait
        return _load(settings)


@lru_cache(maxsize=4)
def _load(settings: ShopSettings) -> Shop:
    if settings.items_file is None:
        num_products = settings.num_products or _NUM_SYNTHETIC_PRODUCTS
        records, attributes, instructions = synthetic_files(
            num_products=num_products, seed=settings.catalogue_seed
        )
    else:
        records = read_json(settings.items_file, kind=list)[: settings.num_products]
        attributes = _entries(settings.attributes_file, entry_kind=dict)
        instructions = _entries(settings.instructions_file, entry_kind=list)
    catalogue = read_catalogue(
        records,
        attributes,
        items_file=settings.items_file or "the generated catalogue",
        attributes_file=settings.attributes_file or "the generated attributes",
    )
    return Shop(
        catalogue=catalogue,
        engine=SearchEngine(catalogue),
        goals=GoalSplit(
            _goals(settings, catalogue, attributes, instructions),
            num_test_goals=settings.num_test_goals,
        ),
    )


def _entries(file: str | None, *, entry_kind: type) -> dict[str, Any]:
    """Read a file with one entry per product; without a file, there are no entries."""
    if file is None:
        return {}
    entries = read_json(file, kind=dict)
    for asin, entry in entries.items():
        if not isinstance(entry, entry_kind):
            raise CatalogueError(
                f"{file}: product {asin!r} has an entry of type {type(entry).__name__}, not "
                f"{entry_kind.__name__} as in WebShop's file. Check that it is the right file."
            )
    return entries


def _goals(
    settings: ShopSettings,
    catalogue: Catalogue,
    attributes: Mapping[str, Any],
    instructions: Mapping[str, Any],
) -> list[Goal]:
    if settings.goals == "human":
        file = settings.instructions_file or "the generated instructions"
        return human_goals(catalogue, instructions, instructions_file=file)
    file = settings.attributes_file or "the generated attributes"
    return synthetic_goals(catalogue, attributes, attributes_file=file)
