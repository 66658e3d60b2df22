"""Read and write docs/results/figures.json: one line per measured figure."""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "results" / "figures.json"
RESULTS_ISSUE = 12  # the issue that asks for the figures of docs/results/*.md


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        issue: The issue that asks for it.
        name: Unique within the issue; parts are separated by slashes.
        value: The measured value; shares are fractions.
        target: The required value, such as "<= 3"; None if there is no target.
        n: Number of measurements behind the value.
    """

    issue: int
    name: str
    value: float
    target: str | None = None
    n: int = 1


def result_figures(
    prefix: str,
    values: Mapping[str, float],
    *,
    targets: Mapping[str, str] | None = None,
    n: int = 1,
    issue: int = RESULTS_ISSUE,
) -> list[Figure]:
    """Make one figure ``prefix/name`` of each value.

    Args:
        prefix: First part of all names.
        values: Value by name.
        targets: Target by name, for the values that have one.
        n: Number of measurements behind each value.
        issue: The issue that asks for them.
    """
    targets = targets or {}
    return [
        Figure(issue, f"{prefix}/{name}", value, targets.get(name), n)
        for name, value in values.items()
    ]


def slug(text: str) -> str:
    """Turn a label into part of a name: "gigpo, F = std" becomes "gigpo_f_std"."""
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_")


def add_figures_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--figures``; if it is set, the benchmark calls `write_figures`."""
    parser.add_argument(
        "--figures", action="store_true", help="write the figures to docs/results/figures.json"
    )


def read_figures() -> list[dict[str, Any]]:
    """Return the lines of the file: the fields of `Figure`, commit, cpu and command."""
    lines: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.is_file() else []
    return lines


def write_figures(figures: Sequence[Figure], *, processor: str | None = None) -> None:
    """Write figures to the file; each replaces an older one of the same issue and name.

    Args:
        figures: The figures.
        processor: What they were measured on; None for this machine's CPU.
    """
    fresh = {(one.issue, one.name) for one in figures}
    lines = [line for line in read_figures() if (line["issue"], line["name"]) not in fresh]
    command = " ".join(["python", *sys.argv])
    origin = {"commit": current_commit(), "cpu": processor or _cpu(), "command": command}
    lines += [asdict(one) | origin for one in figures]
    lines.sort(key=lambda line: (line["issue"], line["name"]))
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")


def current_commit() -> str:
    """Return the short name of the checked-out commit, with "-dirty" if files have changed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
