"""The rollout of agent programs: they have the loop, and call the engine when they like.

The public methods are those of `Rollout`. Each episode is one run of the program, named by its key.
A call of the program is a step: the messages are the observation, the answer is the action.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rllib_gigpo.agent_programs.call_desk import CallDesk, OpenCall
from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat_server import ChatServer
from rllib_gigpo.agent_programs.engine_loop import EngineLoop
from rllib_gigpo.agent_programs.program_episode import ProgramEpisode
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.agent_programs.reward_threads import RewardThreads
from rllib_gigpo.agent_programs.started_program import ProgramAccess, ProgramEnd, start_program
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.env_runner.env_source import is_fault
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.info_fence import described

_IDLE_WAIT_S = 0.02
_GRACE_S = 5.0  # for a program to end after its last call, before it is ended
_MOST_OVER_LIMIT = 3  # calls after the last one, at which it is ended at once


class EndpointRollout:
    """A player of groups of program runs with one engine and one endpoint."""

    is_stalled = False  # a program that hangs is ended, so nothing has to be rebuilt

    def __init__(
        self,
        loop: EngineLoop[OpenCall],
        server: ChatServer,
        desk: CallDesk,
        judges: RewardThreads,
        *,
        programs: Mapping[bool, ProgramSettings],
        settings: RolloutSettings,
        callbacks: Mapping[bool, RunnerCallbacks],
    ) -> None:
        """Connect the parts; `start` adds groups.

        Args:
            loop: The queue in front of the engine.
            server: The endpoint, which puts calls into the queue.
            desk: Answers the calls.
            judges: Threads for reward functions, which may take long.
            programs: What is started and who rewards it, by whether an episode is for training.
            settings: The settings of all episodes.
            callbacks: The user's hooks, by whether an episode is for training.
        """
        self._loop, self._server, self._desk, self._judges = loop, server, desk, judges
        self._programs, self._settings, self._callbacks = programs, settings, callbacks
        self._waiting: deque[ProgramEpisode] = deque()
        self._playing: dict[str, ProgramEpisode] = {}  # by key
        self._judged: list[ProgramEpisode] = []  # whose reward is being found
        self._groups: dict[int | str, list[ProgramEpisode]] = {}
        self._finished: list[FinishedGroup] = []
        self._lost: list[LostGroup] = []
        self._stats = RolloutStats()

    # ------------------------------------------------------------------ public

    def start(self, tasks: Sequence[GroupTask]) -> None:
        """Add groups to play."""
        for task in tasks:
            group = [ProgramEpisode(task, member) for member in range(task.group_size)]
            self._groups[task.group_id] = group
            self._waiting.extend(group)

    def advance(self) -> None:
        """Start programs, answer calls, advance the engine by one step, end episodes."""
        start = time.perf_counter()
        self._start_programs()
        is_idle = not self._desk.is_busy and not self.is_done
        for call in self._loop.take(wait_s=_IDLE_WAIT_S if is_idle else 0.0):
            episode = self._playing.get(call.api_key)
            if episode is None:
                call.refuse(_over())
            else:
                self._desk.take(call, episode)
        self._desk.advance()
        for episode in list(self._playing.values()):
            if episode.api_key in self._playing:  # its group was not lost in this pass
                self._check(episode)
        for episode in list(self._judged):
            if episode in self._judged:
                self._take_verdict(episode)
        self._stats = replace(
            self._stats, seconds=self._stats.seconds + time.perf_counter() - start
        )

    def drop(self, group_ids: Sequence[int | str]) -> None:
        """End groups without a result; ids that are not played are ignored."""
        for group_id in group_ids:
            if group_id in self._groups:
                self._end_group(group_id)

    def take_result(self) -> SampleResult:
        """Return the groups that finished or were lost since the last call."""
        own = replace(self._stats, num_refused_calls=self._server.take_refusals())
        stats = own + self._desk.take_stats()
        result = SampleResult(groups=self._finished, lost=self._lost, stats=stats)
        self._finished, self._lost, self._stats = [], [], RolloutStats()
        return result

    @property
    def num_left(self) -> dict[int | str, int]:
        """Number of unfinished episodes of each group."""
        return {
            group_id: sum(one.episode is None for one in group)
            for group_id, group in self._groups.items()
        }

    @property
    def is_done(self) -> bool:
        """Whether no group is left to play."""
        return not self._groups

    def post_reward(self, api_key: str, posted: dict[str, Any]) -> None:
        """Note the reward of an episode that is under way; called on the server's thread."""
        episode = self._playing.get(api_key)
        if episode is not None:
            episode.posted = posted

    # ------------------------------------------------------------------ programs start and end

    def _start_programs(self) -> None:
        bound = self._settings.max_concurrent_episodes
        while self._waiting and (bound is None or len(self._playing) < bound):
            episode = self._waiting.popleft()
            self._playing[episode.api_key] = episode
            self._server.open_keys.add(episode.api_key)
            access = ProgramAccess(
                base_url=self._server.base_url,
                api_key=episode.api_key,
                seed=episode.task.seed,
                is_training=episode.task.is_training,
            )
            episode.started_at = time.monotonic()
            try:
                episode.program = start_program(self._program_of(episode).program, access)
            except (OSError, RuntimeError, ValueError) as error:  # no process, no thread
                self._lose(
                    episode,
                    "program",
                    f"it cannot be started: {described(error)}. Play fewer episodes at a time with"
                    " config.inference(max_concurrent_episodes=...), or fix the command",
                )

    def _check(self, episode: ProgramEpisode) -> None:
        """Judge an episode whose program has ended; lose the group of one that failed."""
        assert episode.program is not None
        end = episode.program.poll()
        if end is None and self._is_over_limit(episode):
            end = ProgramEnd()
        limit_s = self._program_of(episode).timeout_s
        if end is None:
            if episode.seconds > limit_s:
                self._lose(
                    episode,
                    "timeout",
                    f"the program has run for {episode.seconds:.0f} s (limit {limit_s:g} s,"
                    f" env_config={{'timeout_s': ...}}){episode.program.last_words()}",
                )
            return
        episode.is_cut = bool(episode.num_over_limit) or (
            episode.was_too_long and end.error is not None
        )
        if not episode.calls:
            why = "its first call was too long" if episode.was_too_long else "it made no call"
            self._lose(episode, "program", f"{why}, and ended: {end.error or end.result!r}")
        elif end.error is not None and not episode.is_cut:
            self._lose(episode, "program", f"it failed: {end.error}")
        else:
            self._judge(episode, end)

    def _is_over_limit(self, episode: ProgramEpisode) -> bool:
        """Return whether an episode has had its calls, and its program does not end by itself."""
        if not episode.num_over_limit or episode.open_calls:
            return False
        episode.over_limit_at = episode.over_limit_at or time.monotonic()
        is_late = time.monotonic() > episode.over_limit_at + _GRACE_S
        return is_late or episode.num_over_limit >= _MOST_OVER_LIMIT

    def _stop(self, episode: ProgramEpisode) -> None:
        """Close the key of an episode, refuse its open calls, and end its program."""
        if self._playing.pop(episode.api_key, None) is None:
            return
        episode.ended_at = time.monotonic()
        self._server.open_keys.discard(episode.api_key)
        self._desk.drop(episode, _over())
        if episode.program is not None:
            episode.program.end()

    # ------------------------------------------------------------------ rewards

    def _judge(self, episode: ProgramEpisode, end: ProgramEnd) -> None:
        self._stop(episode)
        # A command prints something, if only nothing; text is not a reward.
        episode.has_result = end.result is not None and not isinstance(end.result, str)
        reward = self._program_of(episode).reward
        find = partial(episode.outcome, end, reward)
        if reward is None:
            self._finish(episode, find)
        else:
            episode.verdict = self._judges.judge(find)
            self._judged.append(episode)

    def _take_verdict(self, episode: ProgramEpisode) -> None:
        """Finish an episode whose reward is known; lose the group of one that waits too long."""
        assert episode.verdict is not None
        if episode.verdict.is_known:
            self._judged.remove(episode)
            self._finish(episode, episode.verdict.outcome)
            return
        limit_s = self._program_of(episode).timeout_s
        if episode.verdict.seconds > limit_s:
            message = f"env_config['reward'] has taken {limit_s:g} s, the limit of timeout_s"
            self._lose(episode, "timeout", message)

    def _finish(self, episode: ProgramEpisode, find: Callable[[], dict[str, Any]]) -> None:
        """Finish an episode with its reward; lose the group of one that gets none."""
        try:
            episode.record(find())
        except ContractViolationError as error:
            self._lose(episode, error.kind, f"{error}{self._hint(episode)}")
            return
        except BaseException as error:  # the user's function may raise anything
            if not is_fault(error):
                raise
            self._lose(episode, "reward", f"env_config['reward'] failed: {described(error)}")
            return
        self._stats = replace(
            self._stats,
            num_steps=self._stats.num_steps + len(episode.calls),
            env_s=self._stats.env_s + max(0.0, episode.seconds - episode.answer_s),
        )
        self._call_back(episode)
        group = self._groups[episode.task.group_id]
        if all(one.episode is not None for one in group):
            del self._groups[episode.task.group_id]
            self._finished.append(FinishedGroup(episode.task, [one.episode for one in group]))

    def _hint(self, episode: ProgramEpisode) -> str:
        has_reward = self._program_of(episode).reward is not None or episode.posted is not None
        if has_reward or episode.has_result:
            return ""
        return (
            " Nobody rewarded the episode: set env_config={'reward': ...}, POST the reward to"
            " /v1/reward, or return it from the function."
        )

    def _program_of(self, episode: ProgramEpisode) -> ProgramSettings:
        return self._programs[episode.task.is_training]

    def _call_back(self, episode: ProgramEpisode) -> None:
        callbacks = self._callbacks.get(episode.task.is_training)
        if callbacks is not None:
            for hook in ("on_episode_created", "on_episode_start", "on_episode_end"):
                callbacks.on_episode(hook, episode.episode, slot=episode.member, envs=None)

    # ------------------------------------------------------------------ lost groups

    def _lose(self, episode: ProgramEpisode, kind: str, message: str) -> None:
        where = f"{self._settings.env_name}, {episode.place}"
        self._lost.append(LostGroup(episode.task, kind, f"{where}: {message}"))
        self._end_group(episode.task.group_id)

    def _end_group(self, group_id: int | str) -> None:
        group = self._groups.pop(group_id)
        self._waiting = deque(one for one in self._waiting if one not in group)
        for episode in group:
            self._stop(episode)
            if episode in self._judged and episode.verdict is not None:
                episode.verdict.abandon()
        self._judged = [one for one in self._judged if one not in group]


def _over() -> ChatError:
    return ChatError("The episode is over.", status=401, code="invalid_api_key")
