"""Calls of programs -> prompts in the engine -> answers, which are the steps of their episodes."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from rllib_gigpo.agent_programs.answer_reader import AnswerReader
from rllib_gigpo.agent_programs.chat.chat_answer import ChatAnswer
from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_prompts import ChatPrompts
from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.agent_programs.engine_loop import AskedCall, EngineLoop
from rllib_gigpo.agent_programs.program_episode import PlayedCall, ProgramEpisode, new_text
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.batch.sample_result import RolloutStats
from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest
from rllib_gigpo.env_runner.episodes.answer_seed import answer_seed
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.envs.info_fence import described
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt

CONTEXT_LENGTH, STEP_LIMIT = "context_length_exceeded", "step_limit_reached"


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose prompt is in the engine."""

    asked: AskedCall
    episode: ProgramEpisode
    prompt: Prompt
    anchor: Hashable
    asked_at: float


class CallDesk:
    """Takes the calls of episodes under way, and answers them."""

    def __init__(
        self,
        loop: EngineLoop[OpenCall],
        *,
        prompts: ChatPrompts,
        reader: AnswerReader,
        programs: Mapping[bool, ProgramSettings],
        settings: RolloutSettings,
        max_prompt_tokens: int,
    ) -> None:
        """Connect the parts.

        Args:
            loop: The queue in front of the engine.
            prompts: Turns messages into prompts.
            reader: Turns answers into messages.
            programs: The settings of programs, by whether an episode is for training.
            settings: The settings of all episodes.
            max_prompt_tokens: Longest prompt.
        """
        self._loop = loop
        self._prompts, self._reader = prompts, reader
        self._programs, self._settings = programs, settings
        self._max_prompt_tokens = max_prompt_tokens
        self._stats = RolloutStats()

    @property
    def is_busy(self) -> bool:
        """Whether the engine has a call to answer."""
        return self._loop.is_busy

    def take_stats(self) -> RolloutStats:
        """Return the tokens and the engine's time since the last call."""
        stats, self._stats = self._stats, RolloutStats()
        return stats

    def take(self, call: AskedCall, episode: ProgramEpisode) -> None:
        """Give a call to the engine, or refuse it.

        Args:
            call: The call.
            episode: The episode that its key names, which is under way.
        """
        if call.is_abandoned:
            return
        try:
            self._check_limit(episode)
            self._submit(call, episode)
        except ChatError as error:
            episode.num_over_limit += error.code == STEP_LIMIT
            episode.was_too_long = error.code == CONTEXT_LENGTH
            call.refuse(error)

    def drop(self, episode: ProgramEpisode, error: ChatError) -> None:
        """Refuse the calls of an episode that the engine has not yet answered."""
        calls = {i: one for i, one in self._loop.owners.items() if one.episode is episode}
        self._drop(calls)
        for call in calls.values():
            call.asked.refuse(error)

    def advance(self) -> None:
        """Advance the engine by one step, and answer what it has finished."""
        self._drop({i: one for i, one in self._loop.owners.items() if one.asked.is_abandoned})
        start = time.perf_counter()
        answered = self._loop.advance()
        elapsed = time.perf_counter() - start
        self._stats = replace(self._stats, engine_s=self._stats.engine_s + elapsed)
        for call, generation in answered:
            self._answer(call, generation)

    def _drop(self, calls: Mapping[str, OpenCall]) -> None:
        self._loop.abort(calls)
        for request_id, call in calls.items():
            call.episode.open_calls.discard(request_id)

    # ------------------------------------------------------------------ call -> engine

    def _check_limit(self, episode: ProgramEpisode) -> None:
        limit = episode.task.max_steps or self._settings.max_episode_steps
        if episode.num_steps >= limit:
            raise ChatError(
                f"The episode has had its {limit} calls, config.tasks(max_episode_steps=...).",
                code=STEP_LIMIT,
            )

    def _submit(self, call: AskedCall, episode: ProgramEpisode) -> None:
        prompt = self._prompt(call.request, episode)
        self._check_fits(prompt)
        sampling, asked_for = episode.task.sampling, call.request.max_tokens
        request_id = f"{episode.name}-{episode.num_asked}"
        open_call = OpenCall(
            asked=call,
            episode=episode,
            prompt=prompt,
            anchor=self._anchor(call, is_training=episode.task.is_training),
            asked_at=time.monotonic(),
        )
        episode.num_asked += 1
        episode.open_calls.add(request_id)
        request = GenerationRequest(
            request_id=request_id,
            prompt_token_ids=prompt.token_ids,
            sampling=replace(
                sampling, max_tokens=min(sampling.max_tokens, asked_for or sampling.max_tokens)
            ),
            seed=answer_seed(episode.task, request_id, run_seed=self._settings.seed),
            with_uncertainty=self._settings.with_uncertainty and episode.task.is_training,
        )
        self._loop.submit(request, open_call)

    def _prompt(self, request: ChatRequest, episode: ProgramEpisode) -> Prompt:
        """Return the prompt of a call, which continues a chat if the chat template lets it."""
        try:
            found = episode.history.find(request)
            if found is not None:
                turn, num_shared = found
                try:
                    following = request.messages[num_shared:]
                    return self._prompts.extend(turn, following, request.tools)
                except ChatError:  # the template cannot go on there, but may render the whole
                    pass
            return self._prompts.open(request.messages, request.tools)
        except ChatError:
            raise
        except Exception as error:  # a template, or a tokenizer, on what nobody foresaw
            raise ChatError(f"The messages cannot become a prompt: {described(error)}") from error

    def _check_fits(self, prompt: Prompt) -> None:
        if len(prompt.token_ids) > self._max_prompt_tokens:
            raise ChatError(
                f"The prompt has {len(prompt.token_ids)} tokens, but the maximum context length is"
                f" {self._max_prompt_tokens} tokens, config.llm(max_prompt_tokens=...). Send fewer"
                " messages.",
                code=CONTEXT_LENGTH,
            )

    def _anchor(self, call: AskedCall, *, is_training: bool) -> Hashable:
        if call.anchor is not None:
            return call.anchor
        default, function = new_text(call.request.messages), self._programs[is_training].anchor
        if function is None:
            return default
        try:
            own = function([dict(message) for message in call.request.messages])
        except Exception as error:  # the user's function may raise anything
            raise ChatError(
                f"env_config['anchor'] failed: {described(error)}", status=500, code="anchor_failed"
            ) from error
        return default if own is None else own

    # ------------------------------------------------------------------ engine -> program

    def _answer(self, call: OpenCall, generation: Generation) -> None:
        episode, request = call.episode, call.asked.request
        episode.open_calls.discard(generation.request_id)
        episode.answer_s += time.monotonic() - call.asked_at
        self._count_tokens(call.prompt, generation)
        try:
            generation, text = self._reader.cut(generation, request.stops)
            message, is_valid = self._reader.message(
                text,
                self._prompts.chat(request.tools).tool_format,
                tools=request.tools,
                request_id=generation.request_id,
            )
            episode.history.add(request, message, ChatTurn(call.prompt, generation.token_ids))
        except Exception as error:  # the format may be the user's, and the answer anything
            call.asked.refuse(_unreadable(error))
            return
        episode.calls.append(
            PlayedCall(
                request=request,
                answer=message,
                anchor=call.anchor,
                is_valid=is_valid,
                prompt=call.prompt,
                generation=generation,
                text=text,
            )
        )
        episode.was_too_long = False
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


def _unreadable(error: Exception) -> ChatError:
    return ChatError(
        f"The model's answer cannot be read: {described(error)}", status=422, code="answer_failed"
    )


def _finish_reason(message: Message, generation: Generation) -> str:
    if message.get("tool_calls"):
        return "tool_calls"
    return "length" if generation.finish_reason == "length" else "stop"
