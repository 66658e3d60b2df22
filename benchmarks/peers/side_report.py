"""The clock of both sides, and the line of JSON that each of their runs prints."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

RESULT = "RESULT "  # starts the line of JSON; libraries print around it


class Clock:
    """Seconds of repeated work: on the wall, and of all threads of this process together.

    Attributes:
        seconds: "wall_s" and "cpu_s", one entry for each `stop`.
    """

    def __init__(self) -> None:
        """Make a clock without entries."""
        self.seconds: dict[str, list[float]] = {"wall_s": [], "cpu_s": []}
        self._started = (0.0, 0.0)

    def start(self) -> None:
        """Begin to measure."""
        self._started = _now()

    def stop(self) -> None:
        """Add an entry."""
        for times, begin, end in zip(self.seconds.values(), self._started, _now(), strict=True):
            times.append(end - begin)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def print_result(result: Mapping[str, Any]) -> None:
    """Print a run's result, with the load of the machine."""
    print(RESULT + json.dumps({**result, "load_average": os.getloadavg()[0]}), flush=True)


def parse_result(output: str) -> dict[str, Any]:
    """Return the result that a run printed.

    Raises:
        ValueError: The output has none.
    """
    lines = [line for line in output.splitlines() if line.startswith(RESULT)]
    if not lines:
        raise ValueError(f"No line begins with {RESULT!r}; the output ends with:\n{output[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1].removeprefix(RESULT))
    return result
