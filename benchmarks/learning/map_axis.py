"""An axis of a map: cells that differ in one setting and in the rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

GIGPO, SAME_F, DEFAULT = "gigpo", "grpo, F = 1", "grpo, F = std"


@dataclass(frozen=True)
class Axis:
    """Cells that differ in one setting and in the rule.

    Attributes:
        name: Short name.
        title: Heading of its picture.
        setting: What the points differ in, with its unit.
        points: Label of a point -> label of a rule -> its cell; `SAME_F` is at all points. A rule
            that does not read the setting has the same cell at all points.
        kind: What a picture compares: points in order, points without an order, or the rules.
        over_first: Whether each rule is also compared with itself at the first point, at equal
            environment steps and at equal choices: for an axis that says how groups are played.
        control: A point without forks that makes about as many choices an iteration as those with
            them; each rule is also compared with itself there, at equal choices.
    """

    name: str
    title: str
    setting: str
    points: Mapping[str, Mapping[str, Any]]
    kind: Literal["ordered", "unordered", "rules"] = "ordered"
    over_first: bool = False
    control: str | None = None

    @cached_property
    def rules(self) -> list[str]:
        """The labels of the rules."""
        return list(dict.fromkeys(rule for rules in self.points.values() for rule in rules))

    def cells(self) -> Iterator[Any]:
        """Yield the cells, point by point; a cell may come more than once."""
        for rules in self.points.values():
            yield from rules.values()

    def has_one_cell(self, rule: str) -> bool:
        """Whether the rule does not depend on the setting, as far as it was varied."""
        if len(self.points) == 1:
            return False
        cells = [rules[rule] for rules in self.points.values() if rule in rules]
        return len(cells) == len(self.points) and len(set(cells)) == 1
