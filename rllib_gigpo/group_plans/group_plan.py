"""The interface of group plans: the steps that a group has chosen in, its next forks out.

Seed and actions determine an episode, so any step of any environment can be returned to: reset with
the task's seed, replay the actions before the step, and go on with new answers. Such a *fork*
shares the start of its episode with another one, which costs environment steps and no tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, slots=True)
class Fork:
    """Where an episode leaves another one.

    Attributes:
        member: The number of the other episode in the group.
        step: The number of its actions to replay, so the new episode first chooses at this step,
            counted from 0.
    """

    member: int
    step: int


@dataclass(frozen=True, slots=True)
class ChosenStep:
    """A step that an episode of the group chose itself; replayed ones are left out.

    Attributes:
        member: The number of the episode in the group.
        step: The number of the step in the episode, from 0.
        tree: The member that the episode descends from, fork after fork; itself without a fork.
        state: The state before the action: who acted, and `StepRecord.anchor`. States are equal if
            they compare equal, whatever the setting ``anchor``.
        entropy: Mean entropy of the answer's tokens in nats; None unless the plan asks for it.
    """

    member: int
    step: int
    tree: int
    state: Hashable
    entropy: float | None = None

    @property
    def fork(self) -> Fork:
        """The fork that returns to this step's state."""
        return Fork(self.member, self.step)


class GroupPlan(ABC):
    """Base of the plans: some episodes start at the reset, and the others fork off them.

    Subclass it as a frozen dataclass whose fields are its options. A plan is pure: it has no state.
    It is asked whenever all begun episodes have ended, so the forks of a group do not depend on
    which episode ends first.

    Attributes:
        name: Short name for the setting.
        needs_entropy: Whether it reads `ChosenStep.entropy`, which engines then report.
    """

    name: ClassVar[str] = "custom"
    needs_entropy: ClassVar[bool] = False

    @abstractmethod
    def num_starts(self, group_size: int) -> int:
        """Return how many of ``group_size`` episodes start at the reset; at least 1."""

    @abstractmethod
    def next_forks(
        self, steps: Sequence[ChosenStep], group_size: int, rng: np.random.Generator
    ) -> list[Fork]:
        """Return the forks that begin now.

        Args:
            steps: All steps that the group has chosen so far.
            group_size: Number of episodes of the whole group.
            rng: A generator that the seed and the group determine.

        Returns:
            At most as many forks as episodes are left; none if there is nowhere to fork, and the
            rest then starts at the reset.
        """
