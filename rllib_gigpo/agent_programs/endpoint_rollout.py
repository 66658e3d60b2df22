"""The rollout of agent programs: they have the loop, and call the engine when they like.

The public methods are those of `Rollout`. Each episode is one run of the program, named by its key.
A call of the program is a step: the messages are the observation, the answer is the action.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from rllib_gigpo.agent_programs.answer_reader import AnswerReader
from rllib_gigpo.agent_programs.chat.chat_answer import ChatAnswer
from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_prompts import ChatPrompts
from rllib_gigpo.agent_programs.chat.chat_request import Message
from rllib_gigpo.agent_programs.chat_server import ChatServer
from rllib_gigpo.agent_programs.engine_loop import AskedCall, EngineLoop
from rllib_gigpo.agent_programs.program_episode import PlayedCall, ProgramEpisode, new_text
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.agent_programs.started_program import ProgramAccess, ProgramEnd, start_program
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest
from rllib_gigpo.env_runner.episodes.answer_seed import answer_seed
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.info_fence import described
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt

_IDLE_WAIT_S = 0.02


@dataclass(frozen=True, slots=True)
class _OpenCall:
    """A call whose prompt is in the engine."""

    asked: AskedCall
    episode: ProgramEpisode
    prompt: Prompt
    anchor: Hashable
    asked_at: float


class EndpointRollout:
    """A player of groups of program runs with one engine and one endpoint."""

    is_stalled = False  # a program that hangs is ended, so nothing has to be rebuilt

    def __init__(
        self,
        loop: EngineLoop[_OpenCall],
        server: ChatServer,
        *,
        prompts: ChatPrompts,
        reader: AnswerReader,
        programs: Mapping[bool, ProgramSettings],
        settings: RolloutSettings,
        max_prompt_tokens: int,
        callbacks: Mapping[bool, RunnerCallbacks] = MappingProxyType({}),
    ) -> None:
        """Connect the parts; `start` adds groups.

        Args:
            loop: The queue in front of the engine.
            server: The endpoint, which puts calls into the queue.
            prompts: Turns messages into prompts.
            reader: Turns answers into messages.
            programs: What is started and who rewards it, by whether an episode is for training.
            settings: The settings of all episodes.
            max_prompt_tokens: Longest prompt.
            callbacks: The user's hooks, by whether an episode is for training.
        """
        self._loop, self._server = loop, server
        self._prompts, self._reader = prompts, reader
        self._programs, self._settings = programs, settings
        self._max_prompt_tokens = max_prompt_tokens
        self._callbacks = callbacks
        self._waiting: deque[ProgramEpisode] = deque()
        self._playing: dict[str, ProgramEpisode] = {}  # by key
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
        is_idle = not self._loop.is_busy and bool(self._playing)
        for call in self._loop.take(wait_s=_IDLE_WAIT_S if is_idle else 0.0):
            self._take_call(call)
        self._drop_abandoned_calls()
        self._take_generations()
        for episode in list(self._playing.values()):
            self._check(episode)
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
        stats = replace(self._stats, num_refused_calls=self._server.take_refusals())
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

    # ------------------------------------------------------------------ episodes start and end

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
            episode.program = start_program(self._program_of(episode).program, access)

    def _check(self, episode: ProgramEpisode) -> None:
        """Finish an episode whose program has ended; lose the group of one that failed."""
        if episode.api_key not in self._playing:  # its group was lost in this pass
            return
        assert episode.program is not None
        end = episode.program.poll()
        if end is None:
            limit_s = self._program_of(episode).timeout_s
            if episode.seconds > limit_s:
                self._lose(
                    episode,
                    "timeout",
                    f"the program has run for {episode.seconds:.0f} s (limit"
                    f" {limit_s:g} s, env_config={{'timeout_s': ...}})",
                )
            return
        if not episode.calls:
            self._lose(episode, "program", f"it ended without a call: {end.error or end.result!r}")
        elif end.error is not None and not episode.was_refused:
            self._lose(episode, "program", f"it failed: {end.error}")
        else:
            self._finish(episode, end, is_cut=end.error is not None)

    def _finish(self, episode: ProgramEpisode, end: ProgramEnd, *, is_cut: bool) -> None:
        self._stop(episode)
        try:
            episode.finish(end, self._program_of(episode).reward, is_cut=is_cut)
        except ContractViolationError as error:
            self._lose(episode, error.kind, f"{error}{self._hint(episode, end)}")
            return
        except Exception as error:  # the user's function may raise anything
            self._lose(episode, "reward", f"env_config['reward'] failed: {described(error)}")
            return
        self._stats = replace(
            self._stats,
            num_steps=self._stats.num_steps + len(episode.calls),
            env_s=self._stats.env_s + episode.seconds - episode.answer_s,
        )
        self._call_back(episode)
        group = self._groups[episode.task.group_id]
        if all(one.episode is not None for one in group):
            del self._groups[episode.task.group_id]
            self._finished.append(FinishedGroup(episode.task, [one.episode for one in group]))

    def _hint(self, episode: ProgramEpisode, end: ProgramEnd) -> str:
        has_reward = self._program_of(episode).reward is not None or episode.posted is not None
        if has_reward or end.result is not None:
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

    def _stop(self, episode: ProgramEpisode) -> None:
        """Close the key of an episode, refuse its open calls, and end its program."""
        self._playing.pop(episode.api_key, None)
        self._server.open_keys.discard(episode.api_key)
        own = [name for name, call in self._loop.owners.items() if call.episode is episode]
        self._loop.abort(own)
        episode.close()

    def _lose(self, episode: ProgramEpisode, kind: str, message: str) -> None:
        where = f"{self._settings.env_name}, {episode.place}"
        self._end_group(episode.task.group_id)
        self._lost.append(LostGroup(episode.task, kind, f"{where}: {message}"))

    def _end_group(self, group_id: int | str) -> None:
        group = self._groups.pop(group_id)
        self._waiting = deque(one for one in self._waiting if one not in group)
        for episode in group:
            self._stop(episode)

    # ------------------------------------------------------------------ call -> engine

    def _take_call(self, call: AskedCall) -> None:
        episode = self._playing.get(call.api_key)
        if episode is None:
            call.refuse(ChatError("The episode is over.", status=401, code="invalid_api_key"))
            return
        limit = episode.task.max_steps or self._settings.max_episode_steps
        if episode.num_asked >= limit:
            call.refuse(
                ChatError(
                    f"The episode has had its {limit} calls, config.tasks(max_episode_steps=...).",
                    code="step_limit_reached",
                )
            )
            self._finish(episode, ProgramEnd(), is_cut=True)
            return
        try:
            self._submit(call, episode)
        except ChatError as error:
            episode.was_refused |= error.code == "context_length_exceeded"
            call.refuse(error)

    def _submit(self, call: AskedCall, episode: ProgramEpisode) -> None:
        request = call.request
        found = episode.history.find(request.messages)
        if found is None:
            prompt = self._prompts.open(request.messages, request.tools)
        else:
            turn, num_shared = found
            prompt = self._prompts.extend(turn, request.messages[num_shared:], request.tools)
        self._check_fits(prompt)
        sampling = episode.task.sampling
        max_tokens = min(sampling.max_tokens, request.max_tokens or sampling.max_tokens)
        request_id = f"{episode.name}-{episode.num_asked}"
        open_call = _OpenCall(
            asked=call,
            episode=episode,
            prompt=prompt,
            anchor=self._anchor(call, is_training=episode.task.is_training),
            asked_at=time.monotonic(),
        )
        episode.num_asked += 1
        self._loop.submit(
            GenerationRequest(
                request_id=request_id,
                prompt_token_ids=prompt.token_ids,
                sampling=replace(sampling, max_tokens=max_tokens),
                seed=answer_seed(episode.task, request_id, run_seed=self._settings.seed),
                with_uncertainty=self._settings.with_uncertainty and episode.task.is_training,
            ),
            open_call,
        )

    def _check_fits(self, prompt: Prompt) -> None:
        if len(prompt.token_ids) > self._max_prompt_tokens:
            raise ChatError(
                f"The prompt has {len(prompt.token_ids)} tokens, but the maximum context length is"
                f" {self._max_prompt_tokens} tokens, config.llm(max_prompt_tokens=...). Send fewer"
                " messages.",
                code="context_length_exceeded",
            )

    def _anchor(self, call: AskedCall, *, is_training: bool) -> Hashable:
        if call.anchor is not None:
            return call.anchor
        anchor = self._programs[is_training].anchor
        if anchor is None:
            return new_text(call.request.messages)
        try:
            return anchor([dict(message) for message in call.request.messages])
        except Exception as error:  # the user's function may raise anything
            raise ChatError(
                f"env_config['anchor'] failed: {described(error)}", status=500, code="anchor_failed"
            ) from error

    def _drop_abandoned_calls(self) -> None:
        self._loop.abort(
            [name for name, call in self._loop.owners.items() if call.asked.is_abandoned]
        )

    # ------------------------------------------------------------------ engine -> program

    def _take_generations(self) -> None:
        start = time.perf_counter()
        answered = self._loop.advance()
        elapsed = time.perf_counter() - start
        self._stats = replace(self._stats, engine_s=self._stats.engine_s + elapsed)
        for call, generation in answered:
            self._answer(call, generation)

    def _answer(self, call: _OpenCall, generation: Generation) -> None:
        episode, request = call.episode, call.asked.request
        generation, text = self._reader.cut(generation, request.stops)
        tool_format = self._prompts.chat(request.tools).tool_format
        message, is_valid = self._reader.message(
            text, tool_format, request_id=generation.request_id
        )
        played = PlayedCall(
            request=request,
            answer=message,
            anchor=call.anchor,
            is_valid=is_valid,
            prompt=call.prompt,
            generation=generation,
            text=text,
        )
        episode.calls.append(played)
        episode.answer_s += time.monotonic() - call.asked_at
        turn = ChatTurn(call.prompt, generation.token_ids)
        episode.history.add(request.messages, message, turn)
        self._count_tokens(call.prompt, generation)
        call.asked.reply(
            ChatAnswer(
                request_id=generation.request_id,
                model=request.model,
                message=message,
                finish_reason=_finish_reason(message, generation),
                num_prompt_tokens=len(call.prompt.token_ids),
                num_response_tokens=len(generation.token_ids),
            )
        )

    def _count_tokens(self, prompt: Prompt, generation: Generation) -> None:
        stats = self._stats
        self._stats = replace(
            stats,
            num_prompt_tokens=stats.num_prompt_tokens + len(prompt.token_ids),
            num_cached_tokens=stats.num_cached_tokens + generation.num_cached_tokens,
            num_response_tokens=stats.num_response_tokens + len(generation.token_ids),
        )


def _finish_reason(message: Message, generation: Generation) -> str:
    if message.get("tool_calls"):
        return "tool_calls"
    return "length" if generation.finish_reason == "length" else "stop"
