"""The start of ScienceWorld's simulator, set up so that a seed always gives the same episode."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from ..java_game import java_backend

# ScienceWorld lists things with the same name, such as three cups of paint, in the order of their
# identity hashes, which Java draws at random. With one hash for all (2), that is the order of
# creation. Virtual machines that do not know the option ignore it.
_JAVA_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=2",
)
_LOCK = threading.Lock()


def start_simulator() -> Any:
    """Start a Java process that runs a simulator without a step limit."""
    module = java_backend("scienceworld.scienceworld", extra="scienceworld")
    with _LOCK:  # the package has no argument for Java options, so its launcher is patched
        launch = module.launch_gateway
        module.launch_gateway = partial(launch, javaopts=list(_JAVA_OPTIONS))  # type: ignore[attr-defined]
        try:
            return module.ScienceWorldEnv("", envStepLimit=10**6)
        finally:
            module.launch_gateway = launch  # type: ignore[attr-defined]
