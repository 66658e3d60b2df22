"""Starts ScienceWorld's simulator so that a seed always gives the same episode."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from ..java_game import java_backend

# ScienceWorld lists things of one name, such as three cups of paint, in the order of their identity
# hashes, which Java draws at random: with one hash for all (2) it is the order of making. Virtual
# machines that do not know the option are told to go on without.
_JAVA_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=2",
)
_LOCK = threading.Lock()


def start_simulator() -> Any:
    """Start a Java process with a simulator in it, without a limit of steps."""
    module = java_backend("scienceworld.scienceworld", extra="scienceworld")
    with _LOCK:  # the package has no argument for Java's options
        launch = module.launch_gateway
        module.launch_gateway = partial(launch, javaopts=list(_JAVA_OPTIONS))  # type: ignore[attr-defined]
        try:
            return module.ScienceWorldEnv("", envStepLimit=10**6)
        finally:
            module.launch_gateway = launch  # type: ignore[attr-defined]
