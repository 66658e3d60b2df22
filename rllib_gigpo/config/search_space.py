"""Values that are not values yet: search spaces of Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.search.variant_generator import parse_spec_vars


def is_searched(config: Mapping[str, Any]) -> bool:
    """Return whether some value is a search space of Tune."""
    _, domains, grids = parse_spec_vars(config)
    return bool(domains or grids)
