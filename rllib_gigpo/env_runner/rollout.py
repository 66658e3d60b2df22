"""The rollout: whole groups of episodes, without a barrier.

Each episode goes its own way: environment -> prompt -> engine -> action -> environment. One call of
`advance` moves whatever can move: answers of environments become prompts that join the running
batch, answers of the engine become actions. Nobody waits for the slowest, a finished episode holds
no slot, and the next waiting episode takes its place.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.connectors.module_to_env.action_to_env import SKIP_STEP
from rllib_gigpo.engines.base import Generation, GenerationRequest, SamplingSettings
from rllib_gigpo.env_runner.env_pool import EnvEvent, EnvPool
from rllib_gigpo.env_runner.records import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.rl_modules.engine_module import EngineModule
from rllib_gigpo.tasks import GroupTask

_IDLE_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """What all episodes of a rollout share."""

    group_size: int
    max_episode_steps: int
    sampling: SamplingSettings
    explore: bool
    max_concurrent_episodes: int | None = None
    seed: int | None = None  # None lets the engine draw freely
    stall_timeout_s: float = 600.0  # longest time without any progress


@dataclass(slots=True)
class _Run:
    """One episode under way."""

    task: GroupTask
    member: int
    episode: SingleAgentEpisode
    slot: int = -1
    prompt: Any = None  # prompting.renderer.Prompt of the step under way
    outputs: dict[str, Any] = field(default_factory=dict)  # of the step under way
    action: Any = None
    is_dropped: bool = False

    @property
    def request_id(self) -> str:
        return f"{self.task.group_id}-{self.member}-{len(self.episode)}"


class Rollout:
    """Plays groups of episodes with one engine and one pool of environments."""

    def __init__(
        self,
        module: EngineModule,
        envs: EnvPool,
        *,
        env_to_module: Any,
        module_to_env: Any,
        settings: RolloutSettings,
    ) -> None:
        """Tie the parts together; `start` begins.

        Args:
            module: The engine's RLModule.
            envs: The environments.
            env_to_module: Pipeline from episodes to prompts.
            module_to_env: Pipeline from the engine's answers to actions.
            settings: What all episodes share.
        """
        self._module = module
        self._envs = envs
        self._env_to_module = env_to_module
        self._module_to_env = module_to_env
        self._settings = settings
        self._waiting: deque[_Run] = deque()
        self._groups: dict[int, list[_Run]] = {}
        self._first_observations: dict[int, Any] = {}
        self._free_slots: list[int] = []
        self._in_env: dict[int, _Run] = {}
        self._in_engine: dict[str, _Run] = {}
        self._need_prompt: list[_Run] = []
        self._finished: list[FinishedGroup] = []
        self._lost: list[LostGroup] = []
        self._stats = RolloutStats()
        self._last_progress = time.monotonic()
        self.is_stalled = False  # whether environments hang, so that the pool must be made anew

    # ------------------------------------------------------------------ public

    def start(self, tasks: Sequence[GroupTask]) -> None:
        """Add groups to play."""
        for task in tasks:
            runs = [self._new_run(task, member) for member in range(self._settings.group_size)]
            self._groups[task.group_id] = runs
            self._waiting.extend(runs)
        self._open_slots()
        self._last_progress = time.monotonic()

    def advance(self) -> None:
        """Move every episode that can move, and the engine by one step."""
        start = time.perf_counter()
        self._take_env_events()
        self._begin_waiting_episodes()
        self._take_env_events()  # environments on this thread have begun by now
        self._submit_prompts()
        self._take_generations()
        if not self._in_engine and self._in_env:
            self._envs.wait(_IDLE_WAIT_S)
        self._stats = replace(
            self._stats, seconds=self._stats.seconds + time.perf_counter() - start
        )
        self._check_progress()

    def take_result(self) -> SampleResult:
        """What finished or was lost since the last call."""
        result = SampleResult(groups=self._finished, lost=self._lost, stats=self._stats)
        self._finished, self._lost, self._stats = [], [], RolloutStats()
        return result

    @property
    def is_done(self) -> bool:
        """Whether no group is left to play, and no environment still owes an answer."""
        return not self._groups and not self._in_env

    # ------------------------------------------------------------------ episodes begin and end

    def _new_run(self, task: GroupTask, member: int) -> _Run:
        episode = SingleAgentEpisode(id_=f"{task.group_id}-{member}")
        episode.custom_data[columns.TASK] = task.seed
        episode.custom_data[columns.GROUP_ID] = task.group_id
        episode.custom_data[columns.MEMBER] = member
        return _Run(task=task, member=member, episode=episode)

    def _open_slots(self) -> None:
        used = len(self._in_env) + len(self._in_engine) + len(self._need_prompt)
        wanted = used + len(self._waiting)
        bound = self._settings.max_concurrent_episodes
        num_slots = wanted if bound is None else min(wanted, bound)
        held = {run.slot for run in (*self._in_env.values(), *self._in_engine.values())}
        held |= {run.slot for run in self._need_prompt}
        self._free_slots = [slot for slot in reversed(range(num_slots)) if slot not in held]

    def _begin_waiting_episodes(self) -> None:
        while self._waiting and self._free_slots:
            run = self._waiting.popleft()
            if run.is_dropped:
                continue
            run.slot = self._free_slots.pop()
            self._in_env[run.slot] = run
            self._envs.reset(run.slot, run.task.seed)

    def _finish(self, run: _Run) -> None:
        self._free_slots.append(run.slot)
        group = self._groups[run.task.group_id]
        if all(member.episode.is_done for member in group):
            self._forget(run.task)
            self._finished.append(FinishedGroup(run.task, [member.episode for member in group]))

    def _lose_group(self, task: GroupTask, kind: str, message: str) -> None:
        """Drop all episodes of a group; those in an environment free their slot when it answers."""
        for run in self._groups[task.group_id]:
            run.is_dropped = True
            if run.request_id in self._in_engine:
                self._module.engine.abort([run.request_id])
                del self._in_engine[run.request_id]
                self._free_slots.append(run.slot)
        for run in self._need_prompt:
            if run.task == task:
                self._free_slots.append(run.slot)
        self._need_prompt = [run for run in self._need_prompt if run.task != task]
        self._forget(task)
        self._lost.append(LostGroup(task, kind, message))

    def _forget(self, task: GroupTask) -> None:
        del self._groups[task.group_id]
        self._first_observations.pop(task.group_id, None)

    # ------------------------------------------------------------------ environment -> prompt

    def _take_env_events(self) -> None:
        for event in self._envs.poll():
            self._note_progress()
            run = self._in_env.pop(event.slot, None)
            if run is None:  # too late: its group was given up
                continue
            self._stats = replace(self._stats, env_s=self._stats.env_s + event.seconds)
            if run.is_dropped:
                self._free_slots.append(event.slot)
                continue
            fault = _fault_of(event)
            if fault is None and not run.episode.is_reset:
                fault = self._begin_fault(run, event)
            if fault is not None:
                self._free_slots.append(event.slot)
                self._lose_group(run.task, *fault)
            elif run.episode.is_reset:
                self._add_step(run, event)
            else:
                run.episode.add_env_reset(event.observation, event.info)
                self._need_prompt.append(run)

    def _begin_fault(self, run: _Run, event: EnvEvent) -> tuple[str, str] | None:
        """Members of a group must start alike, or comparing them means nothing."""
        info = event.info or {}
        start = (info.get("task"), str(event.observation))
        first = self._first_observations.setdefault(run.task.group_id, start)
        if first == start:
            return None
        return (
            "not_deterministic",
            f"reset(seed={run.task.seed}) gave two different starts: {_short(first)} and"
            f" {_short(start)}. reset() must depend on its seed only: draw from a generator that"
            " it seeds, and run rllib_gigpo.envs.check_env",
        )

    def _add_step(self, run: _Run, event: EnvEvent) -> None:
        episode = run.episode
        is_last = len(episode) + 1 >= self._settings.max_episode_steps
        episode.add_env_step(
            observation=event.observation,
            action=run.action,
            reward=event.reward,
            infos=event.info,
            terminated=event.terminated,
            truncated=event.truncated or (is_last and not event.terminated),
            extra_model_outputs=run.outputs,
        )
        self._stats = replace(self._stats, num_steps=self._stats.num_steps + 1)
        if episode.is_done:
            self._finish(run)
        else:
            self._need_prompt.append(run)

    # ------------------------------------------------------------------ prompt -> engine

    def _submit_prompts(self) -> None:
        if not self._need_prompt:
            return
        runs, self._need_prompt = self._need_prompt, []
        batch = self._env_to_module(
            rl_module=self._module,
            batch={},
            episodes=[run.episode for run in runs],
            explore=self._settings.explore,
            shared_data={},
        )
        requests = []
        for run, prompt in zip(runs, batch[columns.PROMPTS], strict=True):
            run.prompt = prompt
            self._in_engine[run.request_id] = run
            requests.append(
                GenerationRequest(
                    request_id=run.request_id,
                    prompt_token_ids=prompt.token_ids,
                    sampling=self._settings.sampling,
                    seed=self._request_seed(run.request_id),
                )
            )
        self._module.submit(requests)
        self._note_progress()

    def _request_seed(self, request_id: str) -> int | None:
        """A seed per answer, so that it does not depend on who shares the batch."""
        if self._settings.seed is None:
            return None
        key = f"{self._settings.seed}:{request_id}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "little")

    # ------------------------------------------------------------------ engine -> environment

    def _take_generations(self) -> None:
        if not self._in_engine:
            return
        start = time.perf_counter()
        generations = self._module.poll()
        elapsed = time.perf_counter() - start
        self._stats = replace(self._stats, engine_s=self._stats.engine_s + elapsed)
        if not generations:
            return
        self._note_progress()
        runs = [self._in_engine.pop(generation.request_id) for generation in generations]
        batch = self._module_to_env(
            rl_module=self._module,
            batch={columns.GENERATIONS: generations},
            episodes=[run.episode for run in runs],
            explore=self._settings.explore,
            shared_data={},
        )
        self._count_tokens(runs, generations)
        for index, (run, generation) in enumerate(zip(runs, generations, strict=True)):
            run.outputs = _step_outputs(run, generation, batch, index)
            self._act(run, batch[columns.ENV_ACTIONS][index])

    def _act(self, run: _Run, action: Any) -> None:
        """Send the action; an answer that names none leaves the state as it is."""
        run.action = action
        self._in_env[run.slot] = run
        if action is not SKIP_STEP:
            self._envs.step(run.slot, action)
            return
        run.action = None
        del self._in_env[run.slot]
        episode = run.episode
        unchanged = EnvEvent(
            slot=run.slot,
            observation=episode.get_observations(-1),
            info={**episode.get_infos(-1)},
        )
        self._add_step(run, unchanged)

    def _count_tokens(self, runs: list[_Run], generations: list[Generation]) -> None:
        self._stats = replace(
            self._stats,
            num_prompt_tokens=self._stats.num_prompt_tokens
            + sum(len(run.prompt.token_ids) for run in runs),
            num_response_tokens=self._stats.num_response_tokens
            + sum(len(generation.token_ids) for generation in generations),
        )

    # ------------------------------------------------------------------ watchdog

    def _note_progress(self) -> None:
        self._last_progress = time.monotonic()

    def _check_progress(self) -> None:
        """No hangs: environments that owe an answer for too long cost all groups under way."""
        idle_s = time.monotonic() - self._last_progress
        if self._in_engine or idle_s < self._settings.stall_timeout_s:
            return
        slots = sorted(self._in_env)
        self.is_stalled = True
        self._in_env.clear()
        self._waiting.clear()
        for task in [group[0].task for group in self._groups.values()]:
            message = f"no answer for {idle_s:.0f} s from the environments in slots {slots}"
            self._lose_group(task, "timeout", message)


def _fault_of(event: EnvEvent) -> tuple[str, str] | None:
    """Kind and text of what is wrong with an environment's answer, if anything."""
    if event.error is not None:
        return event.error_kind or "step", event.error
    if not math.isfinite(event.reward):
        return "reward", f"step() returned the reward {event.reward}; rewards must be finite"
    return None


def _step_outputs(
    run: _Run, generation: Generation, batch: dict[str, Any], index: int
) -> dict[str, Any]:
    """What the episode keeps of this step beside observation, action and reward."""
    parsed = batch[columns.PARSED_ACTIONS][index]
    return {
        columns.PROMPT_TOKEN_IDS: run.prompt.token_ids,
        columns.PROMPT_TEXT: run.prompt.text,
        columns.PROMPT_CUT: run.prompt.num_dropped_history > 0 or run.prompt.observation_cut,
        columns.RESPONSE_TOKEN_IDS: generation.token_ids,
        columns.ROLLOUT_LOGP: generation.logp,
        columns.WEIGHT_VERSION: generation.weight_version,
        columns.FINISH_REASON: generation.finish_reason,
        columns.RESPONSE_TEXT: batch[columns.RESPONSE_TEXT][index],
        columns.ACTION_TEXT: parsed.action,
        columns.IS_FORMAT_VALID: parsed.is_format_valid,
        columns.IS_ADMISSIBLE: parsed.is_admissible,
    }


def _short(value: Any, length: int = 160) -> str:
    text = repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."
