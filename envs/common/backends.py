"""Backends of environments are optional: a missing one is an error that names its extra."""

from __future__ import annotations

import shutil
from importlib import import_module
from types import ModuleType


def import_backend(module: str, *, extra: str) -> ModuleType:
    """Import the package behind an environment.

    Raises:
        ImportError: It is not installed; names the extra of this package that has it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{error.name} is not installed: pip install "rllib-gigpo[{extra}]"'
        ) from error


def require_java() -> None:
    """Make sure that a Java runtime can be started.

    Raises:
        ImportError: There is none on the PATH.
    """
    if shutil.which("java") is None:
        raise ImportError("This environment needs Java: install a Java runtime (java on the PATH).")
