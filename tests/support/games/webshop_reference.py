"""Answers of the original WebShop on 160 of its products; the data is not in the repository."""

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "webshop"
FILES = {
    "items_file": str(FOLDER / "items_shuffle_160.json"),
    "attributes_file": str(FOLDER / "items_ins_v2_1000.json"),
}
needs_reference = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs ../shared/data/webshop, which is not in the repository"
)


@lru_cache(maxsize=1)
def original_behaviour() -> dict[str, Any]:
    with gzip.open(FOLDER / "original_behaviour.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)
