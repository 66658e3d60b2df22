"""docs/reliability.md shows every fault, with the test of each promise as the test states it."""

import ast
from pathlib import Path

from faults.fault_list import FAULTS
from faults.fault_report import FaultResult, order, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def marked_tests() -> list[FaultResult]:
    """Return every test that has the marker `fault`, read from the source of the tests."""
    found = []
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            marks = [
                mark
                for mark in getattr(node, "decorator_list", ())
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault"
            ]
            if marks:
                ids = dict.fromkeys(ast.literal_eval(one) for mark in marks for one in mark.args)
                promises = [ast.literal_eval(mark.keywords[0].value) for mark in marks]
                found.append(
                    FaultResult(tuple(ids), " ".join(promises), node.name, outcome="passed")
                )
    return found


def told(line: str) -> tuple[str, str, str]:
    """Return the cells of a table's row that no run changes: fault, promise and test."""
    cells = line.replace(r"\|", "/").split("|")
    return cells[1], cells[2], cells[-2]


def test_every_fault_has_a_test():
    tested = {one for result in marked_tests() for one in result.ids}
    assert tested == FAULTS.keys()


def test_the_page_shows_every_test_with_its_promise():
    rows = [line for line in PAGE.splitlines() if line.endswith("` |") and "`test_" in line]
    assert [told(row) for row in rows] == [told(row) for row in table(marked_tests())[2:]]


def test_every_fault_that_did_not_pass_is_told():
    results = [
        FaultResult(
            ("B5", "case 13"), "It goes on.", "test_it", "passed", 1.0, {"lost": "a group"}
        ),
        FaultResult(("B5", "case 13"), "It goes on.", "test_it", "failed", 0.5),
        FaultResult(("case 7",), "It loads.", "test_other", "skipped"),
    ]
    other, first = table(results)[2:]
    assert "skipped: 1 of 1" in other
    assert "failed: 1 of 2 | 1.5 | a group" in first


def test_cases_come_before_faults():
    assert order(("case 14",)) < order(("B2",)) < order(("B13",))
