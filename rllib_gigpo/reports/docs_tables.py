"""Generator of the tables in docs/: settings, options of the rules, presets, panels.

    python -m rllib_gigpo.reports.docs_tables docs/{rules,presets,settings,panels}.md

Replaces the text between ``<!-- table: NAME -->`` and ``<!-- end -->`` with the table of that name.
A test checks that the files are up to date.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rllib_gigpo import columns
from rllib_gigpo.config.presets import PRESETS
from rllib_gigpo.config.sections import SECTIONS
from rllib_gigpo.credit.rules import RULES, CreditRule, make_rule
from rllib_gigpo.panels.panel import load_panel, shipped_panels
from rllib_gigpo.reports.settings_table import REQUIRED, SettingRow, setting_rows

Tables = Mapping[str, Callable[[], list[str]]]
_MARKED = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the files that the command line names."""
    for file in map(Path, sys.argv[1:] if argv is None else argv):
        file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text: str, tables: Tables | None = None) -> str:
    """Replace every marked table of a Markdown text.

    Args:
        text: A Markdown text.
        tables: Function that returns the lines of a table, by name; `TABLES` if None.

    Raises:
        ValueError: A table has an unknown name, or no end.
    """
    opened, ends = text.count("<!-- table: "), text.count("<!-- end -->")
    if opened != ends or len(_MARKED.findall(text)) != opened:
        raise ValueError(
            f"{opened} tables start with '<!-- table: NAME -->' and {ends} end with '<!-- end -->';"
            " close each table before the next one starts"
        )
    known = TABLES if tables is None else tables
    return _MARKED.sub(lambda match: match[1] + _table(match[2], known) + match[3], text)


def _table(name: str, tables: Tables) -> str:
    if name not in tables:
        raise ValueError(f"there is no table {name!r}; the tables are {', '.join(tables)}")
    return "".join(f"{line}\n" for line in tables[name]())


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format rows of cells as the lines of a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


# ---------------------------------------------------------------- settings


def settings_of(title: str) -> list[str]:
    """Return the table of all settings of a section, each followed by its options."""
    return markdown(
        ("setting", "type", "default", "meaning"),
        (
            (code(row.name), _type(row), _default(row), row.meaning)
            for row in setting_rows(SECTIONS[title])
        ),
    )


def _type(row: SettingRow) -> str:
    return f"{row.type} {row.bounds}".strip()


def _default(row: SettingRow) -> str:
    return row.default if row.default == REQUIRED else code(row.default)


# ---------------------------------------------------------------- rules


def rule_options() -> list[str]:
    """Return the table of the options of all rules; rules with the same option share its row."""
    shared = defaultdict[tuple[str, str, str], list[str]](list)
    for row in setting_rows(SECTIONS["credit"]):
        kind, _, rest = row.name.partition(".")
        if kind == "rule" and rest:
            rule, _, option = rest.partition(".")
            shared[option, row.meaning, _type(row)].append(f"{rule}: {_default(row)}")
    return markdown(
        ("option", "type", "rule: default", "meaning"),
        (
            (code(option), kind, ", ".join(rules), meaning)
            for (option, meaning, kind), rules in shared.items()
        ),
    )


def rule_inputs() -> list[str]:
    """Return the table of other settings and the rules that read them with default options."""
    rules = {name: make_rule(name) for name in RULES.known}
    return markdown(
        ("setting", "rules that read it"),
        (
            (setting, ", ".join(code(name) for name, rule in rules.items() if reads(rule)))
            for setting, reads in _READERS.items()
        ),
    )


def _needs(column: str) -> Callable[[CreditRule], bool]:
    return lambda rule: column in (rule.needs or ())


_READERS: Mapping[str, Callable[[CreditRule], bool]] = {
    '`penalties={"mode": "return"}`': _needs(columns.STEP_RETURNS),
    '`penalties={"mode": "row"}`': _needs(columns.ROW_PENALTIES),
    "`gamma`": lambda rule: hasattr(rule, "gamma") or _needs(columns.STEP_RETURNS)(rule),
    "`step_weight`": lambda rule: hasattr(rule, "step_weight"),
    "`episode_weight`": lambda rule: hasattr(rule, "episode_weight"),
    "`anchor`": _needs(columns.ANCHOR_GROUP_IDS),
    "`critic` (needed)": _needs(columns.VALUES),
    "`process_reward` (needed)": _needs(columns.IMPLICIT_REWARDS),
    "`group_size=1` (allowed)": lambda rule: not rule.compares_within_groups,
}

# ---------------------------------------------------------------- presets


def presets() -> list[str]:
    """Return the table of presets, one per row."""
    return markdown(
        ("preset", "source", "what it is"),
        ((code(name), preset.source, preset.description) for name, preset in PRESETS.items()),
    )


def preset_numbers() -> list[str]:
    """Return the table of preset numbers; those with the same source and presets share a row."""
    names_of = defaultdict[tuple[str, str], list[str]](list)
    for name, preset in PRESETS.items():
        for setting, value in preset.flat.items():
            number = f"{setting}={value!r}".replace("e-0", "e-")
            names_of[number, preset.sources[setting]].append(name)
    numbers_of = defaultdict[tuple[str, tuple[str, ...]], list[str]](list)
    for (number, source), names in names_of.items():
        numbers_of[source, tuple(names)].append(number)
    return markdown(
        ("numbers", "presets", "source"),
        (
            (" ".join(map(code, numbers)), " ".join(map(code, names)), source)
            for (source, names), numbers in numbers_of.items()
        ),
    )


# ---------------------------------------------------------------- panels


def panels() -> list[str]:
    """Return the table of the panels that come with the package."""
    shipped = [load_panel(name) for name in shipped_panels()]
    return markdown(
        ("panel", "version", "digest", "environment", "tasks", "longest episode"),
        (
            (
                code(panel.name),
                str(panel.version),
                code(panel.digest) if panel.is_complete else "no hashes yet",
                panel.env.rpartition(":")[2],
                str(len(panel.tasks)),
                str(panel.max_episode_steps),
            )
            for panel in shipped
        ),
    )


def code(text: str) -> str:
    """Mark text as code."""
    return f"`{text}`"


TABLES: Tables = {
    **{f"settings-{title}": partial(settings_of, title) for title in SECTIONS},
    "rule-options": rule_options,
    "rule-inputs": rule_inputs,
    "presets": presets,
    "preset-numbers": preset_numbers,
    "panels": panels,
}

if __name__ == "__main__":
    main()
