"""The bound on lost groups: a rate over the last groups that were played."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NoReturn

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.env_runner.last_words import tell_driver
from rllib_gigpo.errors import RolloutError

logger = logging.getLogger(__name__)

WINDOW = 100
"""Number of groups over which the rate is taken.

If each group is lost with probability p, independently, then with the default bound of 0.99 a run
stops when 100 groups in a row are lost. Out of 10,000 groups played, that happens with a
probability of about 4e-7 at p = 0.8, 3 % at p = 0.9 and 95 % at p = 0.95. With p = 1 the run stops
after 100 groups.
"""

MAX_INCIDENTS = 6
"""Number of times in a row that all groups that came back may be lost to faults of minutes."""

_SAME_INCIDENT_S = 10.0  # a server that is down hangs all EnvRunners at about the same time

_SOON_S = 10.0  # warnings that an iteration has not shown by then are told at once

_SLOW_INCIDENTS = {"timeout", "runner", "engine", "weights"}
# One of these may cost many groups at once, so it counts as one lost group.
_INCIDENTS = _SLOW_INCIDENTS | {"worker"}


class FaultBound:
    """The watch over the groups that faults cost."""

    def __init__(
        self,
        *,
        max_rate: float,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = tell_driver,
    ) -> None:
        """Start without groups.

        Args:
            max_rate: More than this share of the last `WINDOW` groups is too many.
            clock: Returns the time in seconds.
            tell: Shows a warning at once, while an iteration is under way.
        """
        self._max_rate = max_rate
        self._clock, self._tell = clock, tell
        self._warned_at = math.inf  # of the first warning that nobody has been told
        self._incident_at = -math.inf  # when the last one began
        self._window: deque[LostGroup | None] = deque(maxlen=WINDOW)  # None: it finished
        self._num_incidents = 0  # in a row
        self._known_kinds: set[str] = set()
        self._untold: dict[str, str] = {}  # kind -> warning

    def note(self, part: SampleResult) -> None:
        """Add groups that came back together.

        Raises:
            RolloutError: Too many of the last groups are lost; the message describes the faults.
        """
        self._warn_of_new_kinds(part.lost, "was lost")
        self._warn_of_new_kinds(part.moved, "is played again elsewhere")
        if self._clock() > self._warned_at + _SOON_S:
            self._warned_at = math.inf
            self._tell("\n".join(self._untold.values()))
        if not (part.groups or part.lost):
            return
        self._window.extend(_outcomes(part))
        lost = [group for group in self._window if group is not None]
        if len(lost) > self._max_rate * WINDOW:
            self._stop(
                f"{len(lost)} of the last {len(self._window)} groups were lost; at most"
                f" {self._max_rate:.0%} of {WINDOW} may be (max_lost_group_rate)",
                lost,
            )
        if part.groups or not {group.kind for group in part.lost} <= _SLOW_INCIDENTS:
            self._num_incidents, self._incident_at = 0, -math.inf
        elif self._clock() >= self._incident_at + _SAME_INCIDENT_S:
            self._incident_at = self._clock()
            self._num_incidents += 1
        if self._num_incidents == MAX_INCIDENTS and self._max_rate < 1:
            self._stop(
                f"All groups that came back were lost, {MAX_INCIDENTS} times in a row", part.lost
            )

    def _stop(self, reason: str, lost: Sequence[LostGroup]) -> NoReturn:
        raise RolloutError(
            f"{reason}, so the run stops. {described(lost)} Fix {_culprit(lost)}, or allow more"
            " with config.env_runners(max_lost_group_rate=...)."
        )

    def take_warnings(self) -> dict[str, str]:
        """Return the first fault of each kind that is new since the last call."""
        untold, self._untold, self._warned_at = self._untold, {}, math.inf
        return untold

    def _warn_of_new_kinds(self, lost: Sequence[LostGroup], what: str) -> None:
        for group in lost:
            if group.kind not in self._known_kinds:
                self._known_kinds.add(group.kind)
                self._untold[group.kind] = f"a group {what} ({group.kind}): {group.message}"
                self._warned_at = min(self._warned_at, self._clock())
                logger.warning(self._untold[group.kind])


def _outcomes(part: SampleResult) -> list[LostGroup | None]:
    """Return the faults, and None for each whole group, in the order of the tasks."""
    incidents = {group.kind: group for group in part.lost if group.kind in _INCIDENTS}
    counted = [group for group in part.lost if group.kind not in _INCIDENTS]
    outcomes: list[tuple[GroupTask, LostGroup | None]]
    outcomes = [(group.task, group) for group in (*counted, *incidents.values())]
    outcomes += [(group.task, None) for group in part.groups]
    return [fault for _, fault in sorted(outcomes, key=lambda outcome: outcome[0].place)]


def _culprit(lost: Sequence[LostGroup]) -> str:
    """Return what the user has to look at."""
    if lost[-1].kind == "program":
        return "the agent's program"
    return "the environment (`rllib check-env` shows what is wrong with it)"


def described(lost: Sequence[LostGroup]) -> str:
    """Describe faults: how many of each kind, and the last one in full."""
    kinds = ", ".join(f"{count} x {kind}" for kind, count in Counter(x.kind for x in lost).items())
    last = lost[-1]
    where = f"{last.kind!r} at task seed {last.task.seed}"
    return f"Faults: {kinds}. Last fault, {where}: {last.message.rstrip('.')}."
