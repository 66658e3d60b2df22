"""docs/reliability.md names a test for every fault, and every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (case|B)\s?\d", line)]
# Cases of another subject: sharding and architectures.
ELSEWHERE = {"case 5", "case 6", "case 10"}
IDS = {f"case {n}" for n in range(1, 23)} - ELSEWHERE | {f"B{n}" for n in range(1, 25)}


def marked_tests():
    """Return the ids of every test that has the marker `fault`."""
    found = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                ids = {
                    argument.value
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault"
                    for argument in mark.args
                }
                if ids:
                    found[node.name] = ids
    return found


def test_every_fault_has_a_row():
    named = {one for row in ROWS for one in re.findall(r"case \d+|B\d+", row.split("|")[1])}
    assert sorted(IDS - named) == []


def test_every_fault_has_a_marked_test():
    tested = {one for ids in marked_tests().values() for one in ids}
    assert sorted(IDS - tested) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_row_names_tests_that_are_marked_with_its_id(row):
    ids = set(re.findall(r"case \d+|B\d+", row.split("|")[1]))
    tests = re.findall(r"`(test_\w+)`", row)
    marked = marked_tests()
    assert tests
    assert [name for name in tests if not marked.get(name, set()) & ids] == []
