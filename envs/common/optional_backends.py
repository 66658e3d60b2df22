"""Imports of optional environment backends; a missing one is an error that names its extra."""

from __future__ import annotations

import shutil
from importlib import import_module
from types import ModuleType


def import_backend(module: str, *, extra: str) -> ModuleType:
    """Import the package behind an environment.

    Raises:
        ImportError: It is not installed; the message names the extra that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{error.name} is not installed. Run pip install "rllib-gigpo[{extra}]".'
        ) from error


def require_java() -> None:
    """Raise an error unless a Java runtime is installed.

    Raises:
        ImportError: There is no java on the PATH.
    """
    if shutil.which("java") is None:
        raise ImportError("This environment needs Java. Install a Java runtime (java on the PATH).")
