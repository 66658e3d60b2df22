"""The cells of the map with language models: tasks, variants, and the axes that they lie on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TINY = Path(__file__).resolve().parents[2] / "tuned_examples" / "tiny"
NUM_PANEL_TASKS = 256
BASELINE = "grpo"
# The same F and the same penalties for all, so that only the credit differs.
ROW_PENALTIES = {"penalties.mode": "row"}
SAME_F = {"normalize_by_std": False}
UNIQUE = {"name": "agent_anchors:SometimesUnique"}


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A task of the map.

    Attributes:
        experiment: The example that trains on it; all cells start from its fitted model.
        budget: Environment steps of a run.
        limits: By slack: the settings that set the limit of steps.
        num_seeds: Seeds of each cell.
    """

    experiment: Path
    budget: int
    limits: Mapping[float, Mapping[str, Any]]
    num_seeds: int


def textworld(level: int, slacks: tuple[float, ...]) -> dict[float, dict[str, Any]]:
    """Return the limits of a challenge that needs ``level`` steps, rounded up."""
    steps = {slack: -int(-slack * level // 1) for slack in slacks}
    return {
        slack: {"env_config.max_steps": limit, "max_episode_steps": limit}
        for slack, limit in steps.items()
    }


SLACKS = (1.5, 3.0, 6.0)
TASKS: Mapping[str, AgentTask] = {
    "coin5": AgentTask(TINY / "textworld_gigpo_tiny.py", 16_000, textworld(5, SLACKS), 8),
}

# Name -> settings on top of the experiment's.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "gigpo": {"rule": {"name": "gigpo", **SAME_F}},
    "grpo": {"rule": {"name": "grpo", **SAME_F}},
    "grpo_std": {"rule": "grpo"},
    "gigpo_unique_0.5": {
        "rule": {"name": "gigpo", **SAME_F},
        "anchor": {**UNIQUE, "unique_probability": 0.5},
    },
    "gigpo_unique_1": {
        "rule": {"name": "gigpo", **SAME_F},
        "anchor": {**UNIQUE, "unique_probability": 1.0},
    },
    "anchor_gae": {"rule": "anchor_gae"},
    "graphgpo": {"rule": "graphgpo"},
    "bipace_q": {"rule": "bipace_q"},
    "hgpo": {"rule": "hgpo"},
    "gigpo_lone_state_forks": {
        "rule": {"name": "gigpo", **SAME_F},
        "group_plan": "lone_states",
    },
    "gigpo_entropy_forks": {"rule": {"name": "gigpo", **SAME_F}, "group_plan": "entropy"},
    "anchor_gae_lone_state_forks": {"rule": "anchor_gae", "group_plan": "lone_states"},
    "grpo_random_forks": {"rule": {"name": "grpo", **SAME_F}, "group_plan": "random"},
    "tree_grpo": {"rule": {"name": "tree_grpo", **SAME_F}, "group_plan": "random"},
}
RULES = ("anchor_gae", "graphgpo", "bipace_q", "hgpo")
FORKS = (
    *("gigpo_lone_state_forks", "gigpo_entropy_forks", "anchor_gae_lone_state_forks"),
    *("grpo_random_forks", "tree_grpo"),
)


@dataclass(frozen=True, slots=True)
class AgentCell:
    """One cell: a task with a limit of steps, and a variant."""

    task: str
    slack: float
    variant: str

    @property
    def name(self) -> str:
        """The name of its files and figures."""
        return f"{self.task}_slack_{self.slack:g}_{self.variant}"

    @property
    def settings(self) -> dict[str, Any]:
        """Return all changes of the experiment's settings."""
        return {**TASKS[self.task].limits[self.slack], **ROW_PENALTIES, **VARIANTS[self.variant]}


@dataclass(frozen=True, slots=True)
class AgentAxis:
    """An axis of the map: cells that are compared with the baseline of the same task and slack."""

    title: str
    cells: tuple[AgentCell, ...] = field(default=())


def crossed(
    task: str, variants: tuple[str, ...], slacks: tuple[float, ...] = (3.0,)
) -> tuple[AgentCell, ...]:
    """Return a cell for each slack and variant, with those of the baseline."""
    both = dict.fromkeys((*variants, BASELINE))
    return tuple(AgentCell(task, slack, variant) for slack in slacks for variant in both)


AXES: Mapping[str, AgentAxis] = {
    "slack": AgentAxis(
        "Slack: allowed over needed steps",
        tuple(cell for task in TASKS for cell in crossed(task, ("gigpo",), SLACKS)),
    ),
}
