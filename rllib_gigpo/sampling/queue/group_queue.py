"""One queue of groups for all players: whoever has room gets the next group."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, RolloutStats, SampleResult
from rllib_gigpo.sampling.queue.crew import Arrival, Crew

_WATCH_INTERVAL_S = 0.1  # from one look for overdue groups and stuck players to the next

MAX_FAULTS = 2
"""Number of players that may fail with a group before the group is lost."""


@dataclass(slots=True, eq=False)
class _Open:
    """A group that is not finished.

    Attributes:
        task: The group.
        since: By player, when it got a copy.
        num_left: By player, the number of unfinished episodes that it last told.
        former: Players from which it was taken back; they may only be slow.
        faults: Kinds and messages of the faults that ended copies.
    """

    task: GroupTask
    since: dict[int, float] = field(default_factory=dict)
    num_left: dict[int, int] = field(default_factory=dict)
    former: set[int] = field(default_factory=set)
    faults: list[tuple[str, str]] = field(default_factory=list)


class GroupQueue:
    """A queue that hands groups to players and takes them back as they finish.

    A player gets as many episodes as it can play at a time and one group more, so that it need not
    wait for the next one; the last groups go to whoever has a free slot. Without a bound it gets an
    equal share of all open episodes. The group of a player that fails goes to another one, and a
    group that is overdue also goes to an idle one; the copy that finishes first counts. All copies
    have the same seeds.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        max_concurrent_episodes: int | None,
        overdue_s: float,
        stuck_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without groups.

        Args:
            crew: The players.
            max_concurrent_episodes: Number of episodes that a player plays at a time; None for all.
            overdue_s: Seconds after which a group is also given to an idle player.
            stuck_s: Seconds in which a player must finish a group; None for no limit.
            clock: Tells the seconds.
        """
        self._crew = crew
        self._bound = max_concurrent_episodes
        self._overdue_s = overdue_s
        self._stuck_s = stuck_s
        self._clock = clock
        self._waiting: deque[_Open] = deque()
        self._open: dict[int | str, _Open] = {}
        self._stats: dict[int, RolloutStats] = {}
        self._stats_since = clock()
        self._players: set[int] = set()  # those that were in service when we last looked
        self._watched_at = -math.inf

    @property
    def num_open(self) -> int:
        """Number of groups that wait or are played."""
        return len(self._open)

    @property
    def num_waiting(self) -> int:
        """Number of groups that no player has."""
        return len(self._waiting)

    @property
    def num_free_groups(self) -> int:
        """Number of further groups for which players have slots; 0 without a bound."""
        if self._bound is None or self._waiting:
            return 0
        load = self._load(self._crew.in_service()).values()
        sizes = [one.task.group_size for one in self._open.values()]
        free = sum(max(0, self._bound - number) for number in load)
        return math.ceil(free / max(sizes)) if sizes else 0

    def put(self, tasks: Iterable[GroupTask], *, first: bool = False) -> None:
        """Append groups to the queue, or put them before all others."""
        new = [_Open(task) for task in tasks]
        self._open |= {one.task.group_id: one for one in new}
        if first:
            self._waiting.extendleft(reversed(new))
        else:
            self._waiting.extend(new)

    def advance(self, *, weight_version: int, timeout_s: float) -> SampleResult:
        """Hand out what there is room for, then wait until something arrives.

        Args:
            weight_version: The policy version that the players must have.
            timeout_s: Longest wait in seconds.

        Returns:
            What arrived, with empty statistics; see `take_stats`.

        Raises:
            GiGPOError: See `Crew.collect`.
        """
        self._hand_out(weight_version)
        arrivals = self._crew.collect(timeout_s=timeout_s)
        return sum((self._take(arrival) for arrival in arrivals), SampleResult())

    def clear(self) -> None:
        """Forget all groups, and end those that are played."""
        self.drop(list(self._open))

    def drop(self, group_ids: Iterable[int | str]) -> None:
        """Forget groups, and end those that are played; ignore those that are not open."""
        copies: dict[int, list[int | str]] = {}
        for group_id in group_ids:
            one = self._open.pop(group_id, None)
            for player in () if one is None else one.since:
                copies.setdefault(player, []).append(group_id)
        self._waiting = deque(one for one in self._waiting if one.task.group_id in self._open)
        for player, dropped in copies.items():
            self._crew.drop(player, dropped)

    def take_stats(self) -> RolloutStats:
        """Return the statistics since the last call; the seconds are those of the busiest player.

        Players play at the same time, so their seconds do not add up.
        """
        stats, self._stats = self._stats, {}
        now = self._clock()
        wall_s, self._stats_since = now - self._stats_since, now
        return replace(
            sum(stats.values(), RolloutStats()),
            seconds=max((one.seconds for one in stats.values()), default=0.0),
            idle_s=sum(
                max(0.0, wall_s - stats.get(player, RolloutStats()).seconds)
                for player in self._crew.answering()
            ),
        )

    # ------------------------------------------------------------------ handing out

    def _hand_out(self, weight_version: int) -> None:
        is_time = self._clock() >= self._watched_at + _WATCH_INTERVAL_S
        if is_time:
            self._watched_at = self._clock()
            if self._end_players_that_are_stuck():
                return  # until their faults have arrived
        players = self._crew.in_service() if self._open else ()
        if self._players - set(players):
            self._take_back_from(set(players))
        self._players = set(players)
        if players and (self._waiting or is_time):
            for player, tasks in self._share_out(players).items():
                self._crew.hand_out(player, tasks, weight_version=weight_version)

    def _share_out(self, players: Iterable[int]) -> dict[int, list[GroupTask]]:
        """Return the groups that players get now."""
        load = self._load(players)
        share = self._share(load)
        handed: dict[int, list[GroupTask]] = {}
        while self._waiting:
            player = min(load, key=load.__getitem__)
            # While there is enough for all, the next group is there before a slot becomes free.
            is_early = self._bound is not None and len(self._waiting) > len(load)
            if load[player] >= share + is_early:
                return handed
            self._give(self._waiting.popleft(), player, load, handed)
        for one in self._overdue():
            player = min(load, key=load.__getitem__)
            if load[player] == 0:
                self._give(one, player, load, handed)
        return handed

    def _load(self, players: Iterable[int]) -> dict[int, int]:
        """Return how many unfinished episodes each player has."""
        load = dict.fromkeys(players, 0)
        for one in self._open.values():
            for player in one.since.keys() & load.keys():
                load[player] += one.num_left.get(player, one.task.group_size)
        return load

    def _share(self, load: dict[int, int]) -> float:
        """Return below how many unfinished episodes a player gets another group."""
        if self._bound is not None:
            return self._bound
        num_waiting = sum(one.task.group_size for one in self._waiting)
        return math.ceil((sum(load.values()) + num_waiting) / len(load))

    def _give(
        self, one: _Open, player: int, load: dict[int, int], handed: dict[int, list[GroupTask]]
    ) -> None:
        one.since[player] = self._clock()
        one.former.discard(player)
        one.num_left.pop(player, None)
        load[player] += one.task.group_size
        handed.setdefault(player, []).append(one.task)

    def _overdue(self) -> list[_Open]:
        """Return the groups that one player has had for too long, the oldest first."""
        limit = self._clock() - self._overdue_s
        found = [
            one for one in self._open.values() if one.since and max(one.since.values()) < limit
        ]
        return sorted(found, key=lambda one: max(one.since.values()))

    def _end_players_that_are_stuck(self) -> bool:
        """End players that answer, but do not finish a group within the limit."""
        if self._stuck_s is None:
            return False
        limit = self._clock() - self._stuck_s
        stuck = {
            player for one in self._open.values() for player, at in one.since.items() if at < limit
        }
        for player in stuck:
            message = (
                f"EnvRunner {player} did not finish a group within {self._stuck_s:g} s"
                " (config.env_runners(sample_timeout_s=...))"
            )
            self._crew.end(player, "runner", message)
        return bool(stuck)

    def _take_back_from(self, in_service: set[int]) -> None:
        """Let the groups of players that are not in service wait again."""
        taken: dict[int, list[int | str]] = {}
        for group_id, one in reversed(self._open.items()):
            missing = one.since.keys() - in_service
            for player in missing:
                del one.since[player]
                one.former.add(player)
                taken.setdefault(player, []).append(group_id)
            if missing and not one.since:
                self._waiting.appendleft(one)
        for player, group_ids in taken.items():
            self._crew.drop(player, group_ids)  # it may only be slow

    # ------------------------------------------------------------------ taking back

    def _take(self, arrival: Arrival) -> SampleResult:
        """Keep the first copy of each group, and let a failed player's groups wait again."""
        player, result = arrival.player, arrival.result
        self._stats[player] = self._stats.get(player, RolloutStats()) + result.stats
        for group_id, number in arrival.num_left.items():
            if group_id in self._open:
                self._open[group_id].num_left[player] = number
        groups = [group for group in result.groups if self._close(group.task, player)]
        lost = [group for group in result.lost if self._close(group.task, player)]
        moved = list[LostGroup]()
        if arrival.fault is not None:
            lost_now, moved = self._fail(player, *arrival.fault)
            lost += lost_now
        return SampleResult(groups=groups, lost=lost, moved=moved)

    def _close(self, task: GroupTask, player: int) -> bool:
        """Close a group; return False for a late copy. End the other copies."""
        one = self._open.get(task.group_id)
        if one is None or one.task != task or player not in one.since.keys() | one.former:
            return False
        one.since.pop(player, None)
        self._close_copies(one)
        return True

    def _close_copies(self, one: _Open) -> None:
        """Close a group; end the copies that are played and those that wait."""
        group_id = one.task.group_id
        del self._open[group_id]
        if one in self._waiting:  # taken back from a player
            self._waiting.remove(one)
        for player in one.since:
            self._crew.drop(player, [group_id])

    def _fail(
        self, player: int, kind: str, message: str
    ) -> tuple[list[LostGroup], list[LostGroup]]:
        """Take all groups from a failed player; return those that are lost and those that wait.

        A group is lost if `MAX_FAULTS` players failed with it, or if an environment of the player
        hangs: it would hang the next player too.
        """
        lost, moved = list[LostGroup](), list[LostGroup]()
        dropped = list[int | str]()
        for group_id, one in reversed(list(self._open.items())):
            if player not in one.since.keys() | one.former:
                continue
            was_played = one.since.pop(player, None) is not None
            one.former.discard(player)
            one.faults.append((kind, message))
            dropped.append(group_id)
            fault = LostGroup(one.task, kind, message)
            if kind == "timeout" or (len(one.faults) >= MAX_FAULTS and not one.since):
                self._close_copies(one)
                lost.append(fault)
            elif was_played and not one.since:
                self._waiting.appendleft(one)
                moved.append(fault)
        self._crew.drop(player, dropped)  # if it is alive after all
        return lost[::-1], moved[::-1]


def in_order(result: SampleResult) -> SampleResult:
    """Sort groups by their number, so the order in which they finish does not matter."""
    groups = sorted(result.groups, key=lambda group: group.task.place)
    return replace(result, groups=groups)
