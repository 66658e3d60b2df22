"""A pytest plugin: the table of faults that `make faults` prints and docs/reliability.md holds.

    python -m pytest -m fault -p faults.fault_report --fault-page docs/reliability.md

A test for a fault is marked ``@pytest.mark.fault("B5", "case 13", promise="...")``. With
``record_property`` it may report what ``happened`` and what was ``lost``. The table of a page is
rewritten only if every test ran and passed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faults.fault_list import FAULTS

from rllib_gigpo.reports.docs_tables import code, markdown, with_tables

_HEADS = ("fault", "promise", "what happened", "seconds", "what was lost", "test")


@dataclass(slots=True)
class FaultResult:
    """One test for a fault with one set of parameters, and how it ended."""

    ids: tuple[str, ...]
    promise: str
    test: str
    outcome: str = "not run"
    seconds: float = 0.0
    reported: dict[str, str] = field(default_factory=dict)


def faults_of(items: Iterable[pytest.Item]) -> Iterator[tuple[str, FaultResult]]:
    """Yield (node id, result) of every test for a fault."""
    for item in items:
        marks = list(item.iter_markers("fault"))[::-1]  # as they are written, from top to bottom
        if marks:
            ids = tuple(dict.fromkeys(one for mark in marks for one in mark.args))
            promise = " ".join(mark.kwargs["promise"] for mark in marks)
            yield item.nodeid, FaultResult(ids, promise, item.name.partition("[")[0])


class FaultReport:
    """Collects the results of a session, prints them as a table and writes the table to a page."""

    def __init__(self, page: Path | None) -> None:
        self._page = page
        self._results: dict[str, FaultResult] = {}

    @pytest.hookimpl(trylast=True)  # after `-m` and `-k` have deselected
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
        """Print the table; write it if it is complete."""
        results = list(self._results.values())
        terminalreporter.section("faults")
        for line in table(results):
            terminalreporter.write_line(line)
        if self._page is None:
            return
        if all(result.outcome == "passed" for result in results):
            text = self._page.read_text(encoding="utf-8")
            tables = {"faults": lambda: table(results)}
            self._page.write_text(with_tables(text, tables), encoding="utf-8")
        else:
            terminalreporter.write_line(f"{self._page} is unchanged: not every test passed")


def table(results: Iterable[FaultResult]) -> list[str]:
    """Lay out results as the lines of a Markdown table: one row a test, in the order of ids."""
    tests = defaultdict[tuple[str, str], list[FaultResult]](list)
    for result in results:
        tests[result.test, result.promise].append(result)
    ordered = sorted(tests.values(), key=lambda cases: (order(cases[0].ids), cases[0].test))
    return markdown(_HEADS, map(_row, ordered))


def order(ids: tuple[str, ...]) -> list[tuple[bool, int]]:
    """Return the sort key of a test: cases come first, then B1, B2, ..."""
    return [(name.startswith("B"), int(re.sub(r"\D", "", name))) for name in ids]


def _row(cases: list[FaultResult]) -> tuple[str, ...]:
    first = cases[0]
    return (
        f"{', '.join(first.ids)}: {FAULTS[first.ids[0]]}",
        first.promise,
        _what_happened(cases),
        f"{sum(case.seconds for case in cases):.1f}",
        _reported(cases, "lost") or "nothing",
        code(first.test),
    )


def _what_happened(cases: list[FaultResult]) -> str:
    not_passed = [case.outcome for case in cases if case.outcome != "passed"]
    if not_passed:
        return f"{', '.join(sorted(set(not_passed)))}: {len(not_passed)} of {len(cases)}"
    times = "" if len(cases) == 1 else f" in {len(cases)} variants"
    return _reported(cases, "happened") or f"as promised{times}"


def _reported(cases: list[FaultResult], name: str) -> str:
    """Join what the cases reported, each text once."""
    return "; ".join(dict.fromkeys(case.reported[name] for case in cases if name in case.reported))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the page."""
    parser.addoption("--fault-page", type=Path, help="Markdown page whose table is rewritten")


def pytest_configure(config: pytest.Config) -> None:
    """Register the report."""
    config.pluginmanager.register(FaultReport(config.getoption("--fault-page")))
