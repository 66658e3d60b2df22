"""Bounds on the structure of the tree; `python benchmarks/structure.py` prints the measures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import structure

ROOT = Path(__file__).parents[1]


def above(measured, bound):
    return {name: value for name, value in measured.items() if value > bound}


def test_no_folder_holds_more_than_twelve_loose_modules():
    assert above(structure.loose_modules(ROOT), 12) == {}


def test_no_modules_import_each_other_in_a_circle_lazily_either():
    assert structure.circles(ROOT) == []


def test_one_name_is_one_thing():
    assert structure.twin_names(ROOT) == {}


def test_files_are_short():
    assert above(structure.file_lengths(ROOT), 480) == {}


def test_functions_are_short():
    assert above(structure.function_lengths(ROOT), 60) == {}


def test_examples_repeat_little_of_each_other():
    assert structure.repeated_example_lines(ROOT) <= 0.4


# ---------------------------------------------------------------- the measures themselves


@pytest.fixture
def tree(tmp_path):
    """Write files into an empty tree and return its root."""

    def write(sources):
        for name, source in sources.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(source)
        return tmp_path

    return write


def test_a_lazy_import_closes_a_circle(tree):
    sources = {
        "rllib_gigpo/a.py": "from rllib_gigpo import b",
        "rllib_gigpo/b.py": "def f():\n    from rllib_gigpo.a import g",
        "rllib_gigpo/c.py": "from rllib_gigpo import a",
    }
    assert structure.circles(tree(sources)) == [["rllib_gigpo.a", "rllib_gigpo.b"]]


def test_an_import_for_types_closes_none(tree):
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rllib_gigpo.a import g"
    sources = {"rllib_gigpo/a.py": "from rllib_gigpo import b", "rllib_gigpo/b.py": lazy}
    assert structure.circles(tree(sources)) == []


def test_relative_imports_are_followed(tree):
    sources = {"envs/a/x.py": "from ..b.y import z", "envs/b/y.py": "from ..a import x"}
    found = structure.circles(tree(sources))
    assert found == [["rllib_gigpo.envs.a.x", "rllib_gigpo.envs.b.y"]]


def test_twins_are_found_in_singular_and_plural(tree):
    sources = {
        "rllib_gigpo/rule.py": "class Goal: ...",
        "envs/rules.py": "class Goal: ...\nclass _A: ...",
    }
    assert list(structure.twin_names(tree(sources))) == ["class Goal", "module rule"]


def test_init_files_are_not_loose(tree):
    root = tree({"envs/a/__init__.py": "", "envs/a/b.py": "", "tests/c.py": ""})
    assert structure.loose_modules(root) == {"envs/a": 1, "tests": 1}


def test_a_function_is_as_long_as_its_lines(tree):
    source = "def f():\n    return 1\n\n\ndef g(\n    x,\n):\n    return x\n"
    found = structure.function_lengths(tree({"tests/a.py": source}))
    assert found == {"tests/a.py:1 f": 2, "tests/a.py:5 g": 4}


def test_a_line_counts_as_repeated_from_the_third_file_on(tree):
    two = {f"tuned_examples/x/{name}.py": "a = 1\nb = 2\n" for name in "pq"}
    assert structure.repeated_example_lines(tree(two)) == 0.0
    root = tree({"tuned_examples/x/r.py": "\n  a = 1\n"})
    assert structure.repeated_example_lines(root) == pytest.approx(3 / 5)
