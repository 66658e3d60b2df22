"""The file of measured figures: one line a figure, written by the benchmark that measured it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "results" / "figures.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        issue: The issue that asks for it.
        name: As the issue names it.
        value: What was measured; shares as fractions.
        target: What was asked for, such as "<= 3"; None for no target.
        n: How many measurements the value is made of.
    """

    issue: int
    name: str
    value: float
    target: str | None = None
    n: int = 1


def write_figures(figures: Sequence[Figure]) -> None:
    """Put figures into the file, in the place of older ones of the same issue and name."""
    known = json.loads(FILE.read_text()) if FILE.is_file() else []
    fresh = {(one.issue, one.name) for one in figures}
    lines = [line for line in known if (line["issue"], line["name"]) not in fresh]
    where = {"commit": _commit(), "cpu": _cpu(), "command": " ".join(["python", *sys.argv])}
    lines += [asdict(one) | where for one in figures]
    lines.sort(key=lambda line: (line["issue"], line["name"]))
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
