"""The cells of the map of the grid world: a base setting, and axes that vary one setting of it.

Nothing here is tuned. GiGPO is compared with GRPO with the same F, so ``normalize_by_std`` is False
for both; GRPO with its default F = std is in every axis too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import slug
from grid_forks import ForkedEpisodes
from gridworld import VARIANTS
from map_axis import DEFAULT, GIGPO, SAME_F, Axis
from tabular import GroupPlayer, IndependentEpisodes

from rllib_gigpo.credit.rules import RULES, CreditRule, make_rule
from rllib_gigpo.group_plans import GROUP_PLANS
from rllib_gigpo.options.registry import option_names

EPISODES = 128  # of an iteration, whatever the size of its groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The settings of one run, without its seed.

    Attributes:
        rule: Name of the credit rule.
        options: Its options as (name, value) pairs, without those that are settings of the cell.
        slack: Steps allowed over steps needed, by which each task is limited.
        p_unique: Probability that a step's anchor is made unique.
        state: Name of the definition of a state, see `grid_states.STATES`.
        step_weight: omega, for rules that have it.
        group_size: Episodes of a task; a divisor of `EPISODES`.
        gamma: Discount of the step returns, and of the rule if it has its own.
        plan: Name of the plan by which episodes of a group fork.
        budget: Environment steps of training.
        num_tasks: Tasks of an iteration; None for as many as make `EPISODES` episodes.
    """

    rule: str
    options: tuple[tuple[str, Any], ...] = ()
    slack: float = 3.0
    p_unique: float = 0.0
    state: str = "cell"
    step_weight: float = 1.0
    group_size: int = 8
    gamma: float = 0.95
    plan: str = "from_reset"
    budget: int = 300_000
    num_tasks: int | None = None

    @property
    def num_groups(self) -> int:
        """Tasks of an iteration."""
        return self.num_tasks or EPISODES // self.group_size

    @property
    def name(self) -> str:
        """A name for files: the rule, its options, and the settings that are not the base's."""
        changed = [
            f"{field.name}_{slug(str(getattr(self, field.name)))}"
            for field in fields(self)
            if field.name not in ("rule", "options") and getattr(self, field.name) != field.default
        ]
        return "-".join([self.rule, *(slug(f"{k} {v}") for k, v in self.options), *changed])

    def credit_rule(self) -> CreditRule:
        """Build the credit rule."""
        own = option_names(RULES.find(self.rule))
        settings = {name: getattr(self, name) for name in ("gamma", "step_weight") if name in own}
        return make_rule(self.rule, **settings, **dict(self.options))

    def player(self) -> GroupPlayer:
        """Say how the episodes of a group are played."""
        if self.plan == "from_reset":
            return IndependentEpisodes(self.group_size)
        return ForkedEpisodes(self.group_size, GROUP_PLANS.build(self.plan))

    def settings(self) -> dict[str, Any]:
        """Return all settings in the types of JSON, without a number of tasks that is not set."""
        given = asdict(self) | {"options": dict(self.options)}
        return {name: value for name, value in given.items() if value is not None}


BASE = {
    GIGPO: Cell(rule="gigpo"),
    SAME_F: Cell(rule="grpo", options=(("normalize_by_std", False),)),
    DEFAULT: Cell(rule="grpo"),
}


def all_rules() -> dict[str, Cell]:
    """Return a cell for each variant of gridworld.py, with the base's settings."""
    labels = {"dr-grpo": SAME_F, "grpo": DEFAULT}
    cells = {}
    for variant, (rule, options) in VARIANTS.items():
        of_cell = {name: options[name] for name in ("step_weight",) if name in options}
        others = {name: v for name, v in options.items() if name not in ("step_weight", "gamma")}
        cells[labels.get(variant, variant)] = Cell(
            rule=rule, options=tuple(sorted(others.items())), **of_cell
        )
    return cells


def varied(
    setting: str,
    values: Mapping[str, Any],
    rules: Mapping[str, Cell],
    *,
    read_by_grpo: bool,
) -> dict[str, dict[str, Cell]]:
    """Vary one setting of some cells.

    Args:
        setting: Field of `Cell`.
        values: Label -> value.
        rules: Label of a rule -> its cell at the base.
        read_by_grpo: Whether GRPO depends on the setting. Otherwise its cells stay the same, so it
            is run once.
    """
    unchanged = () if read_by_grpo else (SAME_F, DEFAULT)
    return {
        label: {
            rule: cell if rule in unchanged else replace(cell, **{setting: value})
            for rule, cell in rules.items()
        }
        for label, value in values.items()
    }


def _labelled(*values: float) -> dict[str, float]:
    return {f"{value:g}": value for value in values}


def _axes() -> Iterator[Axis]:
    yield Axis(
        "slack",
        "Slack: how many more steps than needed an episode may take",
        "slack, allowed / needed steps",
        varied("slack", _labelled(1.5, 2, 3, 6, 12), BASE, read_by_grpo=True),
    )
    yield Axis(
        "recurrence",
        "Recurrence: anchors made unique at random",
        "probability that an anchor is made unique",
        varied("p_unique", _labelled(0, 0.25, 0.5, 0.75, 1), BASE, read_by_grpo=False),
    )
    states = ("cell", "cell and step", "cell and previous", "surroundings", "2 x 2 blocks")
    yield Axis(
        "state",
        "Definition of a state",
        "what counts as the same state of a task",
        varied("state", {one: one for one in (*states, "one state")}, BASE, read_by_grpo=False),
        kind="unordered",
    )
    yield Axis(
        "omega",
        "Weight of the step advantage",
        "omega",
        varied("step_weight", _labelled(0.2, 0.4, 0.7, 1, 1.2, 2), BASE, read_by_grpo=False),
    )
    sizes = {f"{size} x {EPISODES // size}": size for size in (2, 4, 8, 16, 32)}
    yield Axis(
        "group_size",
        f"Size of a group, {EPISODES} episodes an iteration",
        "episodes of a task x tasks of an iteration",
        varied("group_size", sizes, BASE, read_by_grpo=True),
    )
    with_gamma = {name: Cell(rule=name) for name in ("hgpo", "bipace_q", "anchor_gae")}
    yield Axis(
        "gamma",
        "Discount",
        "gamma, per step",
        varied("gamma", _labelled(0.9, 0.95, 0.99, 1), BASE | with_gamma, read_by_grpo=False),
    )
    yield Axis(
        "rules",
        "All credit rules",
        "slack, allowed / needed steps",
        varied("slack", _labelled(1.5, 3, 6), all_rules(), read_by_grpo=True),
        kind="rules",
    )


_CONTROL = "from_reset, 11 tasks"


def _forks() -> Axis:
    """Return the axis of the plans; GRPO without forks is the baseline at every point."""
    forked = {
        "grpo, F = 1, forked": BASE[SAME_F],
        "tree_grpo, F = 1": Cell(rule="tree_grpo", options=(("normalize_by_std", False),)),
        "anchor_gae": Cell(rule="anchor_gae"),
        "graphgpo": Cell(rule="graphgpo"),
    }
    plans = {name: name for name in ("from_reset", "lone_states", "entropy", "random")}
    points = varied("plan", plans, {**BASE, **forked}, read_by_grpo=False)
    # Added after a look at the results: as many choices an iteration as with forks at lone states.
    points[_CONTROL] = {
        rule: cell if rule in (SAME_F, DEFAULT) else replace(cell, num_tasks=11)
        for rule, cell in points["from_reset"].items()
    }
    return Axis(
        "forks",
        "Forks: where half of the episodes of a group begin",
        "plan of a group",
        points,
        kind="unordered",
        over_first=True,
        control=_CONTROL,
    )


def with_budget(axis: Axis, budget: int) -> Axis:
    """Return an axis whose cells have another budget, in environment steps."""
    points = {
        point: {rule: replace(cell, budget=budget) for rule, cell in rules.items()}
        for point, rules in axis.points.items()
    }
    return replace(axis, points=points)


AXES: dict[str, Axis] = {axis.name: axis for axis in (*_axes(), _forks())}
