"""The players of groups: what the queue of groups needs to know of EnvRunners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import SampleResult

if TYPE_CHECKING:
    from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner

LOCAL = 0  # RLlib's index of the EnvRunner in the Algorithm's process


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came back from a player.

    Attributes:
        player: The player's number.
        result: The groups that finished, or that environments lost.
        num_left: Number of unfinished episodes of each group that the player still plays.
        fault: Kind and message of a fault that cost the player all its groups, if there was one.
    """

    player: int
    result: SampleResult = field(default_factory=SampleResult)
    num_left: Mapping[int | str, int] = field(default_factory=dict)
    fault: tuple[str, str] | None = None


class Crew(Protocol):
    """The players of one Algorithm: its local EnvRunner, or all remote ones."""

    def in_service(self) -> Sequence[int]:
        """Return the numbers of the players that may get groups; there may be none for a while."""

    def answering(self) -> Sequence[int]:
        """Return the numbers of the players that answer at present; do not wait."""

    def hand_out(self, player: int, tasks: Sequence[GroupTask], *, weight_version: int) -> None:
        """Start groups on a player, beside those that it plays, and return at once."""

    def drop(self, player: int, group_ids: Sequence[int | str]) -> None:
        """End groups on a player without a result."""

    def pass_over(self, player: int) -> None:
        """Give a player nothing until it answers again, and then the newest weights first."""

    def returned(self, players: Sequence[int]) -> None:
        """Put restarted players, which have been sent the newest weights, into service."""

    def tend(self) -> None:
        """Restore players that have restarted; call it often while waiting for groups.

        Raises:
            RolloutError: All are dead, and none has restarted in time.
        """

    def stop(self) -> None:
        """Free what would hold up the end."""

    def end(self, player: int, kind: str, message: str) -> None:
        """End a failed player, if possible; the next `collect` returns its fault."""

    def collect(self, *, timeout_s: float) -> list[Arrival]:
        """Wait until something arrives, at most ``timeout_s``, and return all that has arrived.

        Raises:
            GiGPOError: A player failed in a way that would recur.
        """


class LocalCrew:
    """The EnvRunner in the Algorithm's process, alone; it plays while `collect` waits."""

    def __init__(self, env_runner: GroupEnvRunner) -> None:
        """Let ``env_runner`` play."""
        self._env_runner = env_runner

    def in_service(self) -> Sequence[int]:
        """Return the only player."""
        return (LOCAL,)

    def answering(self) -> Sequence[int]:
        """Return the only player."""
        return (LOCAL,)

    def hand_out(self, player: int, tasks: Sequence[GroupTask], *, weight_version: int) -> None:
        """See `Crew`."""
        self._env_runner.start(tasks, weight_version=weight_version)

    def drop(self, player: int, group_ids: Sequence[int | str]) -> None:
        """See `Crew`."""
        self._env_runner.drop(group_ids)

    def pass_over(self, player: int) -> None:
        """Do nothing: there is nobody else."""

    def returned(self, players: Sequence[int]) -> None:
        """Do nothing: this process does not restart."""

    def tend(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def end(self, player: int, kind: str, message: str) -> None:
        """Do nothing: this process cannot be ended."""

    def collect(self, *, timeout_s: float) -> list[Arrival]:
        """See `Crew`."""
        result = self._env_runner.play(patience_s=timeout_s)
        return [Arrival(LOCAL, result, num_left=self._env_runner.num_left)]
