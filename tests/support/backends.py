"""Marks that skip the tests of optional backends that are not installed."""

from importlib.util import find_spec

import pytest

has_alfworld = find_spec("fast_downward") is not None
needs_alfworld = pytest.mark.skipif(
    not has_alfworld, reason='ALFWorld is not installed: pip install -e ".[alfworld]"'
)
