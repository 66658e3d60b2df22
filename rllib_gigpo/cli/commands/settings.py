"""`rllib settings`: every setting with its type, default, bounds and meaning."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import ConfigError

if TYPE_CHECKING:
    from rllib_gigpo.reports.settings_table import SettingRow

_WIDTH = 96


def add_parser(subparsers: Any) -> None:
    """Add ``settings`` to the command."""
    parser = subparsers.add_parser(
        "settings",
        help="list the settings of a run",
        description="List all settings, or those of a topic: type, default, bounds and meaning. "
        "`rllib train --set NAME=VALUE` and `--set NAME.OPTION=VALUE` change them; an option of "
        "one variant, listed as rule.hgpo.anchor_context, is set as rule.anchor_context with "
        "rule.name=hgpo.",
    )
    parser.add_argument(
        "topic",
        nargs="?",
        metavar="TOPIC",
        help="a topic, such as loss; a setting, such as rule; or a variant of one, such as hgpo",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out ``rllib settings``; returns the exit status."""
    from rllib_gigpo.config.sections import SECTIONS
    from rllib_gigpo.options.registry import did_you_mean
    from rllib_gigpo.reports.settings_table import setting_rows

    rows = {title: setting_rows(section) for title, section in SECTIONS.items()}
    settings = [row.name for part in rows.values() for row in part]
    names = {*SECTIONS, *settings, *(part for name in settings for part in name.split("."))}
    if args.topic in rows:
        rows = {args.topic: rows[args.topic]}
    elif args.topic is not None:
        rows = {
            title: [one for one in part if _is_about(one, args.topic)]
            for title, part in rows.items()
        }
    if not any(rows.values()):
        raise ConfigError(
            f"there is no topic or setting {args.topic!r}; topics are {', '.join(SECTIONS)}"
            f"{did_you_mean(args.topic, names)}"
        )
    for title, part in rows.items():
        if part:
            print("\n".join([f"{title}:", *(line for row in part for line in _lines(row)), ""]))
    return 0


def _is_about(row: SettingRow, name: str) -> bool:
    return f".{name}." in f".{row.name}."


def _lines(row: SettingRow) -> list[str]:
    head = f"  {row.name}: {row.type}{f' {row.bounds}' if row.bounds else ''} = {row.default}"
    text = textwrap.wrap(
        row.meaning, width=_WIDTH, initial_indent="      ", subsequent_indent="      "
    )
    return [head, *text]
