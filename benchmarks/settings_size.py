"""Measure the size of the settings' code, and how often the name of a setting occurs in it.

    python benchmarks/settings_size.py [--figures]

``tests/config/test_sections.py`` checks the targets.
"""

from __future__ import annotations

import argparse
import ast
import tokenize
from collections import Counter
from pathlib import Path

from figures import Figure, add_figures_option, write_figures

from rllib_gigpo.config.sections import SECTIONS
from rllib_gigpo.reports.settings_table import setting_rows

CONFIG = Path(__file__).parents[1] / "rllib_gigpo" / "config"
MAX_LINES = 950
# Not settings: the numbers of presets, the parts that RLlib builds from a config, and what tells
# search spaces from values.
_LEFT_OUT = ("presets.py", "rllib_parts.py", "search_space.py")
_DOCSTRING_OR_MESSAGE = ("f", '"""')


def num_lines() -> int:
    """Count the lines of the settings' files, including blank lines and docstrings."""
    return sum(len(file.read_text().splitlines()) for file in _files())


def occurrences_per_name(*, with_options: bool) -> float:
    """Count how often a setting's name occurs on average, as a name or as a whole string.

    Args:
        with_options: Whether to include options of nested settings, such as kl.target.
    """
    rows = [row.name for section in SECTIONS.values() for row in setting_rows(section)]
    names = {name.rpartition(".")[2] for name in rows if with_options or "." not in name}
    counts: Counter[str] = Counter()
    for file in _files():
        with file.open() as source:
            counts.update(_words(source))
    return sum(counts[name] for name in names) / len(names)


def _files() -> list[Path]:
    return [file for file in sorted(CONFIG.rglob("*.py")) if file.name not in _LEFT_OUT]


def _words(source: tokenize._Readable) -> list[str]:
    tokens = list(tokenize.generate_tokens(source.readline))
    names = [token.string for token in tokens if token.type == tokenize.NAME]
    strings = [token.string for token in tokens if token.type == tokenize.STRING]
    plain = [text for text in strings if not text.startswith(_DOCSTRING_OR_MESSAGE)]
    return names + [ast.literal_eval(text) for text in plain]


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    write = parser.parse_args().figures
    found = {
        "settings_code_lines": (num_lines(), f"<= {MAX_LINES}"),
        "setting_name_occurrences": (occurrences_per_name(with_options=True), "<= 3"),
        "flat_setting_name_occurrences": (occurrences_per_name(with_options=False), "<= 3"),
    }
    for name, (value, target) in found.items():
        print(f"{name:<32} {value:8.2f}  {target}")
    if write:
        write_figures([Figure(11, name, value, target) for name, (value, target) in found.items()])


if __name__ == "__main__":
    main()
