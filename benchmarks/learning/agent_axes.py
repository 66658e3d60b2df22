"""The cells of the map with language models: tasks, variants, and the axes that they lie on.

All variants have the same penalties, and the rules that we compare with GRPO the same F, so that
only the credit differs. The others keep the defaults of their papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from map_axis import DEFAULT, GIGPO, SAME_F, Axis

TINY = Path(__file__).resolve().parents[2] / "tuned_examples" / "tiny"
SLACKS = (1.5, 3.0, 6.0)
SLACK = 3.0  # of all axes but the first
_F_IS_1 = {"normalize_by_std": False}
# What counts as the same state -> the setting.
STATES: Mapping[str, Mapping[str, Any]] = {
    "exact": {"name": "exact"},
    "unique_0.5": {"name": "agent_anchors:SometimesUnique", "unique_probability": 0.5},
    "unique_1": {"name": "agent_anchors:SometimesUnique", "unique_probability": 1.0},
    "similar_0.7": {"name": "similar", "threshold": 0.7},
    "similar_0.8": {"name": "similar", "threshold": 0.8},
    "similar_0.9": {"name": "similar", "threshold": 0.9},
    "similar_0.95": {"name": "similar", "threshold": 0.95},
    "without_parcel": {"name": "agent_anchors:WithoutParcel"},
    "context_2": {"name": "exact", "context": 2},
}


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A task of the map.

    Attributes:
        experiment: The example that trains on it; all cells start from the model that it fits.
        budget: Environment steps of a run.
        token_budget: Generated tokens over which runs are compared at equal tokens.
        limits: Slack -> the settings that set the limit of steps; None keeps the example's.
        num_seeds: Seeds of each cell.
    """

    experiment: str
    budget: int
    token_budget: int
    limits: Mapping[float | None, Mapping[str, Any]]
    num_seeds: int


def step_limits(needed: int) -> dict[float | None, dict[str, Any]]:
    """Return the limits of a task that needs this many steps, rounded up."""
    limits: dict[float | None, int] = {s: int(-(-s * needed // 1)) for s in SLACKS}
    return {
        slack: {"env_config": {"max_steps": limit}, "max_episode_steps": limit}
        for slack, limit in limits.items()
    }


TASKS: Mapping[str, AgentTask] = {
    "delivery": AgentTask(
        "delivery_gigpo_tiny.py",
        budget=30_000,
        token_budget=36_000,
        limits={slack: {"env_config": {"slack": slack}} for slack in SLACKS},
        num_seeds=16,
    ),
    "coin5": AgentTask(
        "textworld_gigpo_tiny.py",
        budget=16_000,
        token_budget=30_000,
        limits=step_limits(5),
        num_seeds=8,
    ),
    "treasure10": AgentTask(
        "textworld_treasure10_gigpo_tiny.py",
        budget=16_000,
        token_budget=30_000,
        limits=step_limits(5),
        num_seeds=8,
    ),
    # These keep the limit of their examples.
    "webshop": AgentTask(
        "webshop_gigpo_tiny.py",
        budget=16_000,
        token_budget=80_000,
        limits={None: {}},
        num_seeds=8,
    ),
    "alfworld": AgentTask(
        "alfworld_gigpo_tiny.py",
        budget=30_000,
        token_budget=150_000,
        limits={None: {}},
        num_seeds=8,
    ),
}
WITH_SLACK = ("coin5", "treasure10")  # besides delivery
WITH_RULES = ("webshop", "alfworld")

FORKED_GRPO, TREE_GRPO = "grpo, F = 1, forked", "tree_grpo, F = 1"
# Label -> settings on top of the experiment's.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    GIGPO: {"rule": {"name": "gigpo", **_F_IS_1}},
    SAME_F: {"rule": {"name": "grpo", **_F_IS_1}},
    DEFAULT: {"rule": {"name": "grpo"}},
    "anchor_gae": {"rule": {"name": "anchor_gae"}},
    "graphgpo": {"rule": {"name": "graphgpo"}},
    "bipace_q": {"rule": {"name": "bipace_q"}},
    "hgpo": {"rule": {"name": "hgpo"}},
    TREE_GRPO: {"rule": {"name": "tree_grpo", **_F_IS_1}},
}
LEADING = ("anchor_gae", "graphgpo", "bipace_q", "hgpo")


@dataclass(frozen=True, slots=True)
class AgentCell:
    """One cell.

    Attributes:
        task: Name of the task.
        variant: Label of the variant.
        slack: Steps allowed over steps needed; None for the limit of the example.
        state: What counts as the same state, a key of `STATES`.
        plan: Name of the plan by which episodes of a group fork.
        num_groups: Tasks of an iteration; None for as many as in the example.
    """

    task: str
    variant: str
    slack: float | None = SLACK
    state: str = "exact"
    plan: str = "from_reset"
    num_groups: int | None = None

    @property
    def place(self) -> str:
        """The task and its slack, in a word."""
        return self.task if self.slack is None else f"{self.task}-slack_{self.slack:g}"

    @property
    def name(self) -> str:
        """A name for files."""
        rule = self.changes["rule"]
        of_f = "" if rule.get("normalize_by_std", True) else "_f_1"
        more = f"-{self.state}" if self.state != "exact" else ""
        more += f"-{self.plan}" if self.plan != "from_reset" else ""
        more += f"-{self.num_groups}_tasks" if self.num_groups else ""
        return f"{self.place}-{rule['name']}{of_f}{more}"

    @property
    def changes(self) -> dict[str, Any]:
        """All changes of the experiment's settings."""
        changes: dict[str, Any] = {"penalties": {"mode": "row"}, **VARIANTS[self.variant]}
        changes |= TASKS[self.task].limits[self.slack]
        if self.state != "exact":
            changes["anchor"] = STATES[self.state]
        if self.plan != "from_reset":
            changes["group_plan"] = self.plan
        if self.num_groups:
            changes["num_groups"] = self.num_groups
        return changes

    def settings(self) -> dict[str, Any]:
        """Return what identifies the runs of the cell, in the types of JSON."""
        task = TASKS[self.task]
        return {"task": self.task, "budget": task.budget, "changes": self.changes}


def num_seeds(cell: AgentCell) -> int:
    """Return the seeds of a cell."""
    return TASKS[cell.task].num_seeds


def _slack(task: str) -> Axis:
    points = {
        f"{s:g}": {one: AgentCell(task, one, slack=s) for one in (GIGPO, SAME_F)} for s in SLACKS
    }
    return Axis(f"{task}_slack", f"{task}: slack", "slack, allowed / needed steps", points)


def _states(task: str, name: str, title: str, points: Mapping[str, str]) -> Axis:
    """Return an axis that varies what counts as the same state: label of a point -> its state."""
    cells = {
        label: {GIGPO: AgentCell(task, GIGPO, state=state), SAME_F: AgentCell(task, SAME_F)}
        for label, state in points.items()
    }
    return Axis(f"{task}_{name}", f"{task}: {name}", title, cells, "unordered")


def _rules(task: str, labels: tuple[str, ...], *, title: str, slack: float | None) -> Axis:
    """Return an axis that compares rules at one slack; with None, at the limit of the example."""
    cells = {label: AgentCell(task, label, slack=slack) for label in (*labels, SAME_F)}
    point, setting = (
        (task, "task") if slack is None else (f"{slack:g}", "slack, allowed / needed steps")
    )
    return Axis(f"{task}_rules", f"{task}: {title}", setting, {point: cells}, "rules")


@dataclass(frozen=True, slots=True)
class ForkPoint:
    """How the groups of some variants are played.

    Attributes:
        variants: Labels of the variants.
        plan: Name of the plan.
        num_groups: Tasks of an iteration; None for as many as in the example.
    """

    variants: tuple[str, ...]
    plan: str = "from_reset"
    num_groups: int | None = None

    def cells(self, task: str) -> dict[str, AgentCell]:
        """Return the cells by the label of their variant, and GRPO without forks."""
        cells = {
            label: AgentCell(
                task,
                SAME_F if label == FORKED_GRPO else label,
                plan=self.plan,
                num_groups=self.num_groups,
            )
            for label in self.variants
        }
        return {SAME_F: AgentCell(task, SAME_F), **cells}


_CONTROL = "from_reset, 6 tasks"
FORKED: Mapping[str, ForkPoint] = {
    "from_reset": ForkPoint((GIGPO, LEADING[0], FORKED_GRPO)),
    "lone_states": ForkPoint((GIGPO, LEADING[0]), "lone_states"),
    "entropy": ForkPoint((GIGPO,), "entropy"),
    "random": ForkPoint((GIGPO, FORKED_GRPO, TREE_GRPO), "random"),
    # Added after a look at the results: about as many choices an iteration as with forks.
    _CONTROL: ForkPoint((GIGPO, LEADING[0], FORKED_GRPO), num_groups=6),
}


def _forks(task: str) -> Axis:
    return Axis(
        f"{task}_forks",
        f"{task}: where half of the episodes of a group begin",
        "plan of a group",
        {label: point.cells(task) for label, point in FORKED.items()},
        kind="unordered",
        over_first=True,
        control=_CONTROL,
    )


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        _slack("delivery"),
        _rules(
            "delivery",
            (GIGPO, DEFAULT, *LEADING),
            title="the rules that led on the grid",
            slack=SLACK,
        ),
        _states(
            "delivery",
            "recurrence",
            "probability that an anchor is made unique",
            {"0": "exact", "0.5": "unique_0.5", "1": "unique_1"},
        ),
        _forks("delivery"),
        _states(
            "delivery",
            "state",
            "what counts as the same state",
            {name: name for name in STATES if not name.startswith("unique")},
        ),
        *(_slack(task) for task in WITH_SLACK),
        *(_rules(task, (GIGPO, LEADING[0]), title="rules", slack=None) for task in WITH_RULES),
    )
}
"""In the order of the plan, so that an interrupted map has the first ones whole."""
