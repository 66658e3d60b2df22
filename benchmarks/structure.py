"""The structure of the source tree in numbers: folders, circles, twin names, lengths, repetition.

    python benchmarks/structure.py                          # the working tree
    python benchmarks/structure.py --against da50f96        # next to an older commit
    python benchmarks/structure.py --against da50f96 --figures

``tests/test_structure.py`` holds the bounds.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from figures import Figure, add_figures_option, write_figures

ROOT = Path(__file__).parents[1]
PACKAGE = "rllib_gigpo"
# Folder of the repository -> the package that it is installed as.
SOURCES = {PACKAGE: PACKAGE, "envs": f"{PACKAGE}.envs"}
CODE = (*SOURCES, "tests", "benchmarks", "tuned_examples")
_TARGETS = {"most_loose_modules": "<= 12", "num_circles": "0", "num_twin_names": "0"}
_NOT_A_NAME = ("__init__", "__main__", "conftest", "README")


@dataclass(frozen=True, slots=True)
class Structure:
    """The measures of one tree."""

    most_loose_modules: int  # Python files in one folder, without __init__.py
    num_circles: int  # groups of modules that import each other, lazy imports counted
    num_twin_names: int  # names that two public classes, modules, tests or pages share
    longest_file: int  # lines
    longest_function: int  # lines
    repeated_example_lines: float  # share of the lines of examples that are in three files or more


def measure(root: Path) -> Structure:
    """Measure the tree at ``root``."""
    return Structure(
        most_loose_modules=max(loose_modules(root).values()),
        num_circles=len(circles(root)),
        num_twin_names=len(twin_names(root)),
        longest_file=max(file_lengths(root).values()),
        longest_function=max(function_lengths(root).values()),
        repeated_example_lines=repeated_example_lines(root),
    )


def python_files(root: Path, *folders: str) -> list[Path]:
    """List the Python files below some folders of a tree, sorted."""
    return sorted(file for folder in folders for file in (root / folder).rglob("*.py"))


# ---------------------------------------------------------------- folders and lengths


def loose_modules(root: Path) -> Counter[str]:
    """Count the modules of each folder of the package, the environments and the tests."""
    files = python_files(root, *SOURCES, "tests")
    return Counter(str(file.parent.relative_to(root)) for file in files if file.stem != "__init__")


def file_lengths(root: Path) -> dict[str, int]:
    """Count the lines of every Python file."""
    files = python_files(root, *CODE)
    return {str(file.relative_to(root)): len(file.read_text().splitlines()) for file in files}


def function_lengths(root: Path) -> dict[str, int]:
    """Count the lines of every function, its docstring included."""
    return {
        f"{file.relative_to(root)}:{node.lineno} {node.name}": _num_lines(node)
        for file in python_files(root, *CODE)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _num_lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


# ---------------------------------------------------------------- circles


def module_files(root: Path) -> dict[str, Path]:
    """Map the installed name of every module to its file; a package is its ``__init__.py``."""
    found = {}
    for folder, package in SOURCES.items():
        for file in python_files(root, folder):
            parts = file.relative_to(root / folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            found[name] = file
    return found


def imported_modules(name: str, file: Path, known: Mapping[str, Path]) -> set[str]:
    """Find the modules of the package that a module imports at run time, now or later."""
    targets = set(imported_names(name, file))
    # `from package import name`: the module of that name, else the package itself.
    return {
        next(one for one in (target, target.rpartition(".")[0]) if one in known)
        for target in targets
        if target in known or target.rpartition(".")[0] in known
    }


def imported_names(name: str, file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports at run time, with relative ones resolved."""
    tree = ast.parse(file.read_text())
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING"):
            block.body = []
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        yield from _targets(node, package)


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        base = parts[: len(parts) - node.level + 1] if node.level else []
        stem = ".".join([*base, *([node.module] if node.module else [])])
        yield from (f"{stem}.{alias.name}" for alias in node.names)


def circles(root: Path) -> list[list[str]]:
    """List the groups of modules that reach each other by imports, wherever these are written."""
    known = module_files(root)
    graph = {name: imported_modules(name, file, known) for name, file in known.items()}
    reached = {name: _reachable(name, graph) for name in graph}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reachable(start: str, graph: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    return seen


# ---------------------------------------------------------------- twin names


def twin_names(root: Path) -> dict[str, list[str]]:
    """List names that two things share: classes and modules, tests, pages of the docs.

    Singular and plural are one name: ``algorithm.md`` is a twin of ``algorithms.md``.
    """
    sources = python_files(root, *SOURCES)
    return {
        **_twins("class", _public_classes(sources)),
        **_twins("module", ((file.stem, file) for file in sources)),
        **_twins("test", ((file.stem, file) for file in python_files(root, "tests"))),
        **_twins("example", ((file.stem, file) for file in python_files(root, "tuned_examples"))),
        **_twins("page", ((file.stem, file) for file in sorted((root / "docs").rglob("*.md")))),
    }


def _public_classes(files: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    for file in files:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, file


def _twins(kind: str, named: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    places = defaultdict[str, list[str]](list)
    for name, file in named:
        if name not in _NOT_A_NAME:
            places[name.removesuffix("s")].append(f"{name} in {file}")
    return {f"{kind} {name}": found for name, found in places.items() if len(found) > 1}


# ---------------------------------------------------------------- examples


def repeated_example_lines(root: Path, *, num_files: int = 3) -> float:
    """Return the share of the examples' lines that are in ``num_files`` files or more.

    Blank lines and indentation do not count.
    """
    lines = {
        file: [line.strip() for line in file.read_text().splitlines() if line.strip()]
        for file in python_files(root, "tuned_examples")
    }
    files_with = Counter(line for found in lines.values() for line in set(found))
    repeated = [files_with[line] >= num_files for found in lines.values() for line in found]
    return sum(repeated) / len(repeated)


# ---------------------------------------------------------------- command


def measure_commit(commit: str) -> Structure:
    """Measure the tree of a commit."""
    command = ["git", "archive", commit, "docs", *CODE]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return measure(Path(folder))


def main() -> None:
    """Print the measures, and write them if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", help="measure this commit too")
    add_figures_option(parser)
    options = parser.parse_args()
    found = {"": measure(ROOT)}
    if options.against:
        found["_before"] = measure_commit(options.against)
    names = [field.name for field in fields(Structure)]
    for name in names:
        values = [f"{getattr(structure, name):g}" for structure in found.values()]
        print(f"{name:<24}", *(f"{value:>12}" for value in values))
    if options.figures:
        write_figures(
            [
                Figure(
                    12,
                    name + suffix,
                    getattr(structure, name),
                    None if suffix else _TARGETS.get(name),
                )
                for suffix, structure in found.items()
                for name in names
            ]
        )


if __name__ == "__main__":
    main()
