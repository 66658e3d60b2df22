"""A pytest plugin: the table of faults that `make faults` prints and docs/reliability.md holds.

    python -m pytest -m fault -p faults.fault_report

A test for a fault is marked ``@pytest.mark.fault("B5", "case 13", promise="...")``. With
``record_property`` it may report what ``happened`` and what was ``lost``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(slots=True)
class FaultResult:
    """One test for a fault, and how it ended."""

    ids: tuple[str, ...]
    promise: str
    test: str
    outcome: str = "not run"
    seconds: float = 0.0
    reported: dict[str, str] = field(default_factory=dict)


def faults_of(items: list[pytest.Item]) -> Iterator[tuple[str, FaultResult]]:
    """Yield (node id, result) of every test for a fault."""
    for item in items:
        marks = list(item.iter_markers("fault"))
        if marks:
            ids = tuple(one for mark in marks for one in mark.args)
            promises = " ".join(mark.kwargs.get("promise", "") for mark in marks).strip()
            yield item.nodeid, FaultResult(ids, promises, item.name)


class FaultReport:
    """Collects the results of a session and prints them as a table."""

    def __init__(self) -> None:
        self._results: dict[str, FaultResult] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the tests for faults."""
        self._results = dict(faults_of(items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long each took and how it ended."""
        result = self._results.get(report.nodeid)
        if result is None:
            return
        result.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            result.outcome = report.outcome
            result.reported |= {name: str(value) for name, value in report.user_properties}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table."""
        terminalreporter.section("faults")
        for line in table(self._results.values()):
            terminalreporter.write_line(line)


def table(results: Any) -> list[str]:
    """Lay out results as the lines of a Markdown table, in the order of their ids."""
    lines = ["| fault | promise | what happened | seconds | what was lost | test |"]
    lines.append("| --- | --- | --- | ---: | --- | --- |")
    for one in sorted(results, key=lambda result: order(result.ids[0])):
        happened = one.reported.get("happened", "as promised" if one.outcome == "passed" else "")
        cells = (
            ", ".join(one.ids),
            one.promise,
            happened if one.outcome == "passed" else f"{one.outcome} {happened}".strip(),
            f"{one.seconds:.1f}",
            one.reported.get("lost", "nothing"),
            f"`{one.test}`",
        )
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return lines


def order(name: str) -> tuple[bool, int]:
    """Return the sort key of an id: cases first, then B1, B2, ..."""
    return name.startswith("B"), int(re.sub(r"\D", "", name) or 0)


def pytest_configure(config: pytest.Config) -> None:
    """Register the report."""
    config.pluginmanager.register(FaultReport())
