"""The tables of the results are those of figures.json, and the file is well formed."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import figures
import result_tables
from result_layout import Row, Table, cell, targets, verdict

from rllib_gigpo.reports.docs_tables import with_tables

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "results").glob("*.md"))]
LINES = figures.read_figures()
TABLES = result_tables.bound_tables(result_tables.figures_by_name())


def line(value, *, target=None, n=1):
    return {"name": "a", "value": value, "target": target, "n": n, "commit": "abc1234"}


# ---------------------------------------------------------------- the pages and the file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_are_up_to_date(page):
    text = page.read_text(encoding="utf-8")
    assert with_tables(text, TABLES) == text, "run `make docs`"


def test_each_table_is_on_one_page():
    found = [
        name for page in PAGES for name in re.findall("<!-- table: (.+?) -->", page.read_text())
    ]
    assert sorted(found) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_cell_has_its_figure(name):
    assert len(TABLES[name]()) > 2


def test_every_line_has_all_fields_with_their_types():
    types = {
        "issue": int,
        "name": str,
        "value": int | float,
        "target": str | None,
        "n": int,
        "commit": str,
        "cpu": str,
        "command": str,
    }
    for one in LINES:
        assert list(one) == list(types), one["name"]
        wrong = [field for field, kind in types.items() if not isinstance(one[field], kind)]
        assert wrong == [], one["name"]
        assert not isinstance(one["value"], bool)
        assert one["n"] >= 1, one["name"]
        assert one["command"].startswith(("python benchmarks/", "make ", "by hand: ")), one["name"]
        assert re.fullmatch("[0-9a-f]{7,40}(-dirty)?", one["commit"]), one["name"]
        assert one["name"], one
        assert one["cpu"], one["name"]


def test_every_command_names_a_benchmark():
    commands = [one["command"] for one in LINES]
    files = {one.split()[1] for one in commands if one.startswith("python ")}
    assert {file for file in files if not (ROOT / file).is_file()} == set()


def test_a_name_is_unique_within_its_issue():
    names = [(one["issue"], one["name"]) for one in LINES]
    assert sorted(set(names)) == names


def test_every_target_can_be_checked():
    for one in LINES:
        if one["target"]:
            assert verdict(one) in ("met", "**missed**")


# ---------------------------------------------------------------- layout


FIGURES = {
    "job/mean": line(0.9081),
    "job/std": line(0.02),
    "job/gain": line(0.014),
    "job/gain_low": line(-0.005),
    "job/small": line(1.9e-5),
    "job/ratio": line(0.58, target=">= 0.6", n=1280),
    "job/0.3M/same": line(0.951),
    "job/0.3M/other": line(0.949),
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{mean:.2f} ± {std:.2f}", "0.91 ± 0.02"),
        ("{gain:+.1pp} [{gain_low:+.1pp}]", "+1.4 [-0.5]"),
        ("{small:.2g}", "1.9e-5"),
        ("{mean:.0%}", "91%"),
        ("{ratio:n}", "1,280"),
        ("{ratio:target}", "≥ 0.6: **missed**"),
        ("{0.3M/same:.3f} to {0.3M/other:.3f}", "0.951 to 0.949"),
        ("{0.3M/same:.2f} to {0.3M/other:.2f}", "0.95"),
        ("-", "-"),
    ],
)
def test_a_cell_is_a_template_of_figures(template, expected):
    assert cell(template, "job", FIGURES) == expected


def test_a_row_can_replace_the_template_of_a_column():
    table = Table(
        ("task",),
        {"success": "{mean:.1f}", "steps": "{std:.2f}"},
        [Row(("one",), "job"), Row(("two",), "job", {"steps": "-"})],
    )
    assert table.lines(FIGURES) == [
        "| task | success | steps |",
        "| --- | ---: | ---: |",
        "| one | 0.9 | 0.02 |",
        "| two | 0.9 | - |",
    ]


def test_a_missing_figure_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="no figure 'job/median'; measure it with --figures"):
        cell("{median:.2f}", "job", FIGURES)


@pytest.mark.parametrize(
    ("value", "target", "is_met"),
    [
        (3, "<= 3", True),
        (3.1, "<= 3", False),
        (0.9, ">= 0.9", True),
        (1e-4, "< 1e-4", False),
        (5.9e-5, "< 1e-4", True),
        (0.0, "0", True),
        (0.1, "0", False),
    ],
)
def test_a_figure_meets_its_target_or_not(value, target, is_met):
    assert verdict(line(value, target=target)) == ("met" if is_met else "**missed**")


def test_a_target_in_words_is_an_error():
    with pytest.raises(ValueError, match="target 'fast'; write an operator and a number"):
        verdict(line(1.0, target="fast"))


def test_the_table_of_targets_has_all_figures_with_one():
    assert targets(FIGURES)[2:] == [
        "| `job/ratio` | 0.58 | ≥ 0.6 | **missed** | 1,280 | `abc1234` |"
    ]
