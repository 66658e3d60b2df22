"""`rllib settings`: lists settings with their types, defaults, bounds and meanings."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import ConfigError

if TYPE_CHECKING:
    from rllib_gigpo.reports.settings_table import SettingRow

_WIDTH = 96


def add_parser(subparsers: Any) -> None:
    """Add the ``settings`` subcommand."""
    parser = subparsers.add_parser(
        "settings",
        help="list the settings of a training run",
        description="List all settings, or those of a topic, with type, default, bounds and "
        "meaning. Change them with `rllib train --set NAME=VALUE` or `--set NAME.OPTION=VALUE`. To "
        "set an option of one variant, listed for example as rule.hgpo.anchor_context, set "
        "rule.name=hgpo and rule.anchor_context.",
    )
    parser.add_argument(
        "topic",
        nargs="?",
        metavar="TOPIC",
        help="a topic, such as loss; a setting, such as rule; or a variant, such as hgpo "
        "(default: everything)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib settings`` and return the exit status."""
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
            f"there is no topic or setting {args.topic!r}; the topics are {', '.join(SECTIONS)}"
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
