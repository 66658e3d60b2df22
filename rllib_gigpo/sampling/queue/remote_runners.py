"""The remote EnvRunners as players: calls, answers, and EnvRunners that die, hang or are silent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.play_answer import PlayAnswer
from rllib_gigpo.env_runner.last_words import last_words_of
from rllib_gigpo.errors import EngineError, RolloutError, WeightSyncError
from rllib_gigpo.sampling.queue.crew import Arrival

_PATIENCE_S, _BRIEF_PATIENCE_S = 10.0, 0.5  # how long a call may play without news
_TEND_INTERVAL_S = 0.5
_STOP_S = 10.0
_CALLS_AHEAD = 2  # one that runs and one that follows without a pause


@dataclass(slots=True)
class _Calls:
    """The calls that an EnvRunner has not answered yet.

    Attributes:
        references: The answers to come, in the order of the calls.
        heard_at: When it answered last, or got a call while it had none.
        excused: Those that were called before the newest weights were sent again.
    """

    references: list[ray.ObjectRef] = field(default_factory=list)
    heard_at: float = 0.0
    excused: set[ray.ObjectRef] = field(default_factory=set)


class RemoteRunners:
    """The healthy remote EnvRunners; a `Crew`.

    An EnvRunner answers within its patience, or after one step of its engine. One that is silent
    for too long gets no more groups; if it speaks again, its groups are dropped and it gets the
    newest weights first. One that dies, hangs for good, or whose engine fails, is restarted.
    """

    def __init__(
        self,
        env_runner_group: EnvRunnerGroup,
        *,
        silence_s: float,
        timeout_s: float | None,
        gets_more: bool = False,
        restore: Callable[[], Any],
        restore_timeout_s: float,
        resync: Callable[[int], Any],
    ) -> None:
        """Set the EnvRunners and how to restore them.

        Args:
            env_runner_group: The EnvRunners that sample.
            silence_s: Seconds without an answer after which an EnvRunner is passed over.
            timeout_s: Seconds without an answer after which it is ended; None for never.
            gets_more: Whether groups or weights are sent to EnvRunners that play. They wait until
                a call ends, so calls are then brief.
            restore: Sends restarted EnvRunners the newest weights, and calls `returned`.
            restore_timeout_s: Longest wait for an EnvRunner to restart when all are dead.
            resync: Sends the newest weights again to an EnvRunner.
        """
        self._group = env_runner_group
        self._silence_s = silence_s
        self._timeout_s = timeout_s
        self._restore = restore
        self._patience_s = min(_BRIEF_PATIENCE_S if gets_more else _PATIENCE_S, silence_s / 4)
        self._restore_timeout_s = restore_timeout_s
        self._resync = resync
        self._resynced: set[int] = set()
        self._calls: dict[int, _Calls] = {}
        self._silent: set[int] = set()
        self._away: set[int] = set()  # dead, or restarted and still without the newest weights
        self._to_end: deque[tuple[int, str, str]] = deque()  # player, kind and message of the fault
        self._pings: dict[int, ray.ObjectRef] = {}  # of those that are away
        self._tended_at = 0.0
        self._none_since: float | None = None

    # ------------------------------------------------------------------ as a crew

    def in_service(self) -> list[int]:
        """See `Crew`."""
        # If all are silent, there is nobody to pass them over for.
        return self.answering() or self._present()

    def answering(self) -> list[int]:
        """See `Crew`."""
        return [player for player in self._present() if player not in self._silent]

    def returned(self, players: Sequence[int]) -> None:
        """Put restarted EnvRunners, which have been sent the newest weights, into service."""
        self._away.difference_update(players)
        self._none_since = None

    def pass_over(self, player: int) -> None:
        """See `Crew`; `collect` asks it whether it is back."""
        self._silent.add(player)

    def end(self, player: int, kind: str, message: str) -> None:
        """See `Crew`."""
        self._to_end.append((player, kind, message))

    def stop(self) -> None:
        """End for good those that do not answer: RLlib would wait for them when it stops all."""
        actors = self._group._worker_manager.actors()
        pings = {actors[player].ping.remote(): player for player in self.answering()}
        _, late = (
            ray.wait(list(pings), num_returns=len(pings), timeout=_STOP_S) if pings else ([], [])
        )
        for player in {*self._silent, *(pings[ping] for ping in late)}:
            ray.kill(actors[player], no_restart=True)
            self._out_of_service(player)

    def _present(self) -> list[int]:
        healthy = self._group.healthy_env_runner_ids()
        self._away |= set(self._group._worker_manager.actors()) - set(healthy)
        return [player for player in healthy if player not in self._away]

    def hand_out(self, player: int, tasks: Sequence[GroupTask], *, weight_version: int) -> None:
        """See `Crew`."""
        self._call(player, tasks, weight_version=weight_version)
        self._call_ahead(player)

    def drop(self, player: int, group_ids: Sequence[int | str]) -> None:
        """See `Crew`."""
        if player in self._group.healthy_env_runner_ids():
            self._call(player, drop=group_ids)

    def collect(self, *, timeout_s: float) -> list[Arrival]:
        """See `Crew`.

        Raises:
            RolloutError: An EnvRunner failed in the user's code.
            WeightSyncError: An EnvRunner has other weights, even after they were sent again.
        """
        ended = [self._end(*self._to_end.popleft()) for _ in range(len(self._to_end))]
        if ended:
            return ended
        for player in list(self._silent):
            if not self._calls.setdefault(player, _Calls()).references:
                self._call(player)  # its answer shows that it is back
        owners = {
            reference: player
            for player, calls in self._calls.items()
            for reference in calls.references
        }
        if not owners:
            time.sleep(timeout_s)
            return []
        references = list(owners)
        ray.wait(references, num_returns=1, timeout=timeout_s)
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        arrivals = [
            self._arrival(owners[reference], reference, answer)
            for reference, answer in zip(ready, _answers(ready), strict=True)
        ]
        return [*arrivals, *self._hung()]

    # ------------------------------------------------------------------ calls and answers

    def _call(self, player: int, tasks: Sequence[GroupTask] = (), **order: Any) -> None:
        calls = self._calls.setdefault(player, _Calls())
        if not calls.references:
            calls.heard_at = time.monotonic()
        actor = self._group._worker_manager.actors()[player]
        calls.references.append(
            actor.answer.remote(list(tasks), patience_s=self._patience_s, **order)
        )

    def _call_ahead(self, player: int) -> None:
        while len(self._calls[player].references) < _CALLS_AHEAD:
            self._call(player)

    def _arrival(
        self, player: int, reference: ray.ObjectRef, answer: PlayAnswer | RayError
    ) -> Arrival:
        """Judge an answer, and call again if the EnvRunner still plays."""
        calls = self._calls.get(player)
        if calls is None or reference not in calls.references:  # of an EnvRunner that was ended
            return Arrival(player)
        calls.references.remove(reference)
        is_excused = reference in calls.excused
        calls.excused.discard(reference)
        calls.heard_at = time.monotonic()
        if isinstance(answer, RayError):
            return self._died(player, answer)
        if player in self._silent:
            self._silent.discard(player)
            self._resync(player)
        if answer.error is not None:
            return self._failed(player, answer.error, is_excused=is_excused)
        if answer.is_playing:
            self._call_ahead(player)
        if answer.result.groups:
            self._resynced.discard(player)
        return Arrival(player, answer.result, num_left=answer.num_left)

    def _failed(self, player: int, error: Exception, *, is_excused: bool) -> Arrival:
        """Judge an error that an EnvRunner returned."""
        if isinstance(error, EngineError):
            self._retire(player)
            return Arrival(player, fault=("engine", str(error)))
        if isinstance(error, WeightSyncError) and (is_excused or player not in self._resynced):
            if not is_excused:
                # Ray restarted it between two calls, and RLlib did not notice.
                self._resynced.add(player)
                self._calls[player].excused = set(self._calls[player].references)
                self._resync(player)
            return Arrival(player, fault=("weights", str(error)))
        raise error

    def _end(self, player: int, kind: str, message: str) -> Arrival:
        self._retire(player)
        return Arrival(player, fault=(kind, message))

    def _died(self, player: int, error: RayError) -> Arrival:
        last_words = last_words_of(self._group._worker_manager.actors()[player])
        if not isinstance(error, ActorDiedError):  # it may be alive, and play on
            self._retire(player)
        self._out_of_service(player)
        if last_words is not None:
            return Arrival(player, fault=("timeout", last_words))
        message = f"EnvRunner {player} failed; see its actor's log in Ray. {error}"
        return Arrival(player, fault=("runner", message.splitlines()[0]))

    def _hung(self) -> list[Arrival]:
        """Pass over EnvRunners that are silent, and end those that are silent for too long."""
        now, ended = time.monotonic(), list[Arrival]()
        for player, calls in list(self._calls.items()):
            if not calls.references:
                continue
            silent_s = now - calls.heard_at
            if self._timeout_s is not None and silent_s > self._timeout_s:
                self._retire(player)
                message = (
                    f"EnvRunner {player} did not answer within"
                    f" sample_timeout_s={self._timeout_s:g}; see its actor's log in Ray"
                )
                ended.append(Arrival(player, fault=("runner", message)))
            elif silent_s > self._silence_s:
                self._silent.add(player)
        return ended

    # ------------------------------------------------------------------ in and out of service

    def tend(self) -> None:
        """Restore EnvRunners that have restarted; never wait for one.

        Raises:
            RolloutError: All are dead, and none has restarted in time.
        """
        now = time.monotonic()
        if now < self._tended_at + _TEND_INTERVAL_S:
            return
        self._tended_at = now
        if self._some_are_back():
            self._restore()
        if self._present():
            self._none_since = None
            return
        self._none_since = self._none_since or now
        if now >= self._none_since + self._restore_timeout_s:
            raise RolloutError(
                "All EnvRunners have died and none restarted within"
                f" {self._restore_timeout_s:g} s: see these actors' logs in Ray for the cause,"
                " or wait longer with"
                " config.fault_tolerance(env_runner_restore_timeout_s=...)."
            )

    def _some_are_back(self) -> bool:
        """Return whether an EnvRunner that was away answers. RLlib would wait for all of them."""
        actors = self._group._worker_manager.actors()
        away = actors.keys() - self._present()
        self._pings = {player: ping for player, ping in self._pings.items() if player in away}
        for player in away - self._pings.keys():
            self._pings[player] = actors[player].ping.remote()
        if not self._pings:
            return False
        pings = list(self._pings.values())
        ready, _ = ray.wait(pings, num_returns=len(pings), timeout=0)
        answered = [player for player, ping in self._pings.items() if ping in ready]
        return sum(_succeeds(self._pings.pop(player)) for player in answered) > 0

    def _retire(self, player: int) -> None:
        """Kill a failed EnvRunner; Ray restarts it.

        RLlib keeps a hanging EnvRunner in service, and would wait for it again and again.
        """
        if player in self._group.healthy_env_runner_ids():
            ray.kill(self._group._worker_manager.actors()[player], no_restart=False)
        self._out_of_service(player)

    def _out_of_service(self, player: int) -> None:
        self._group._worker_manager.set_actor_state(player, healthy=False)
        self._calls.pop(player, None)
        self._silent.discard(player)
        self._resynced.discard(player)
        self._away.add(player)


def _answers(ready: Sequence[ray.ObjectRef]) -> list[PlayAnswer | RayError]:
    """Read answers that have arrived, or why they have not."""
    try:
        answers: list[PlayAnswer | RayError] = ray.get(list(ready))
    except RayError:
        answers = [_answer(reference) for reference in ready]
    return answers


def _answer(reference: ray.ObjectRef) -> PlayAnswer | RayError:
    try:
        answer: PlayAnswer = ray.get(reference)
    except RayError as error:
        return error
    return answer


def _succeeds(reference: ray.ObjectRef) -> bool:
    try:
        ray.get(reference)
    except RayError:
        return False
    return True
