"""The report of ``check_env``, which can be printed or raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnvReport:
    """The result of ``check_env``.

    Attributes:
        name: The environment, as it was given.
        problems: What must be fixed before training, each with its fix.
        notes: What is worth knowing or slows learning.
        num_episodes: Episodes played.
        num_steps: Steps played.
        info_shares: For each key of the contract, the share of the responses that contain it.
        recurring_anchors: Share of the steps under random play whose anchor occurs more than once
            among the episodes of its task, so that GiGPO can compare them. NaN if nothing was
            played.
        expert_wins: Share of the tasks that ``expert_action`` wins; None without an expert.
        steps_per_s: Steps per second, without an LLM.
        reset_ms: Milliseconds of the slowest reset.
        spaces: The observation space and the action space, in words.
        is_deterministic: Whether a seed gave the same episode again; None if nothing was replayed.
        copy_mb: Megabytes that each further copy adds; None if unknown.
    """

    name: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    num_episodes: int
    num_steps: int
    info_shares: Mapping[str, float]
    recurring_anchors: float
    expert_wins: float | None
    steps_per_s: float
    reset_ms: float
    spaces: tuple[str, str] = ("", "")
    is_deterministic: bool | None = None
    copy_mb: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the environment keeps the contract."""
        return not self.problems

    def raise_if_broken(self) -> None:
        """Raise a ValueError that lists all problems if there are any."""
        if self.problems:
            raise ValueError(str(self))

    def __str__(self) -> str:
        """Format the report for a terminal."""
        verdict = "keeps the contract" if self.is_ok else f"has {len(self.problems)} problem(s)"
        lines = [f"{self.name} {verdict}", *self._measurements()]
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _measurements(self) -> list[str]:
        if not self.num_steps:
            return []
        keys = ", ".join(f"{key} {share:.0%}" for key, share in self.info_shares.items() if share)
        absent = ", ".join(key for key, share in self.info_shares.items() if not share)
        replayed = {True: "the same episode", False: "A DIFFERENT episode", None: "not replayed"}
        lines = [
            f"  observations {self.spaces[0]}; actions {self.spaces[1]}",
            f"  the same seed and actions: {replayed[self.is_deterministic]}",
            f"  played {self.num_episodes} episodes, {self.num_steps} steps: "
            f"{self.steps_per_s:.0f} steps/s, slowest reset {self.reset_ms:.0f} ms",
            f"  info keys: {keys or 'none'}" + (f"; absent: {absent}" if absent else ""),
            f"  steps with a recurring anchor: {self.recurring_anchors:.0%}",
        ]
        if self.copy_mb is not None:
            lines.append(f"  memory of each further copy: {self.copy_mb:.1f} MB")
        if self.expert_wins is not None:
            lines.append(f"  tasks won by the expert: {self.expert_wins:.0%}")
        return lines
