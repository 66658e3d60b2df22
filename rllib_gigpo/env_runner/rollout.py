"""The rollout: whole groups of episodes, without barriers.

Each episode runs at its own pace: environment -> prompt -> engine -> action -> environment. A call
of `advance` moves every episode that can move: answers of environments become prompts that join the
running batch, and answers of the engine become actions. No episode waits for the slowest one. A
finished episode frees its slot for the next waiting episode.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.role_turns import forgets_role
from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.connectors.module_to_env.action_to_env import SKIP_STEP
from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest
from rllib_gigpo.env_runner.episodes.answer_seed import answer_seed
from rllib_gigpo.env_runner.episodes.episode_run import EpisodeRun
from rllib_gigpo.env_runner.episodes.played_group import PlayedGroup
from rllib_gigpo.env_runner.episodes.shown_value import short
from rllib_gigpo.env_runner.last_words import tell_driver
from rllib_gigpo.env_runner.pools.env_pool import EnvPool
from rllib_gigpo.env_runner.pools.env_slots import NO_ROOM, EnvEvent
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.errors import EngineError
from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.group_plans.group_plan import GroupPlan
from rllib_gigpo.rl_modules.engine_module import EngineModule

_IDLE_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """Settings of all episodes of a rollout."""

    max_episode_steps: int
    max_concurrent_episodes: int | None = None
    seed: int | None = None  # None: the engine samples without seeds
    stall_timeout_s: float = 600.0  # longest time without progress
    env_name: str = "the environment"  # for the messages of lost groups
    with_uncertainty: bool = False  # whether answers for training tell how uncertain they are
    group_plan: GroupPlan = field(default_factory=FromReset)  # which episodes for training fork


class Rollout:
    """A player of groups of episodes with one engine and one pool of environments."""

    def __init__(
        self,
        module: EngineModule,
        envs: EnvPool,
        *,
        env_to_module: Any,
        module_to_env: Any,
        settings: RolloutSettings,
        callbacks: Mapping[bool, RunnerCallbacks] = MappingProxyType({}),
        tell: Callable[[str], None] = tell_driver,
    ) -> None:
        """Connect the parts; `start` adds groups.

        Args:
            module: The engine's RLModule.
            envs: The environments.
            env_to_module: The pipeline from episodes to prompts.
            module_to_env: The pipeline from the engine's answers to actions.
            settings: The settings of all episodes.
            callbacks: The user's hooks, by whether an episode is for training.
            tell: Shows a message at once.
        """
        self._module = module
        self._envs = envs
        self._env_to_module = env_to_module
        self._module_to_env = module_to_env
        self._settings = settings
        self._callbacks = callbacks
        self._tell = tell
        self._asks_uncertainty = settings.with_uncertainty or settings.group_plan.needs_entropy
        self._waiting: deque[EpisodeRun] = deque()
        self._groups: dict[int | str, PlayedGroup] = {}
        self._free_slots: list[int] = []
        self._used_slots: set[int] = set()  # in which an episode has started
        self._is_full = False  # whether other slots have no room for an environment
        self._was_full = False  # whether they once had none: then used slots come first
        self._in_env: dict[int, EpisodeRun] = {}
        self._in_engine: dict[str, EpisodeRun] = {}
        self._need_prompt: list[EpisodeRun] = []
        self._finished: list[FinishedGroup] = []
        self._lost: list[LostGroup] = []
        self._stats = RolloutStats()
        self._checked_at = time.monotonic()
        self._longest_call_s = 0.0  # of an environment, until its answer
        self.is_stalled = False  # whether environments hang, so the pool must be rebuilt

    # ------------------------------------------------------------------ public

    def start(self, tasks: Sequence[GroupTask]) -> None:
        """Add groups to play."""
        for task in tasks:
            plan = self._settings.group_plan if task.is_training else FromReset()
            group = PlayedGroup(task, plan, seed=self._settings.seed)
            self._groups[task.group_id] = group
            self._waiting.extend(group.next_runs())

    def advance(self) -> None:
        """Advance every episode that can move, and the engine by one step."""
        start = time.perf_counter()
        self._take_env_events()
        if self._begin_waiting_episodes():
            self._take_env_events()  # environments on this thread have already started
        self._submit_prompts()
        self._take_generations()
        if not self._in_engine and self._in_env:
            self._envs.wait(_IDLE_WAIT_S)
        self._stats = replace(
            self._stats, seconds=self._stats.seconds + time.perf_counter() - start
        )
        self._check_progress()

    def drop(self, group_ids: Sequence[int | str]) -> None:
        """End groups without a result; ids that are not played are ignored."""
        for group_id in group_ids:
            if group_id in self._groups:
                self._end_group(self._groups[group_id].task)

    def take_result(self) -> SampleResult:
        """Return the groups that finished or were lost since the last call."""
        result = SampleResult(groups=self._finished, lost=self._lost, stats=self._stats)
        self._finished, self._lost, self._stats = [], [], RolloutStats()
        return result

    @property
    def num_left(self) -> dict[int | str, int]:
        """Number of unfinished episodes of each group."""
        return {group_id: group.num_left for group_id, group in self._groups.items()}

    @property
    def is_done(self) -> bool:
        """Whether no group is left to play and no environment's answer is pending."""
        return not self._groups and not self._in_env

    # ------------------------------------------------------------------ episodes start and end

    def _open_slots(self) -> None:
        used = len(self._in_env) + len(self._in_engine) + len(self._need_prompt)
        wanted = used + len(self._waiting)
        bound = self._settings.max_concurrent_episodes
        num_slots = wanted if bound is None else min(wanted, bound)
        held = {run.slot for run in (*self._in_env.values(), *self._in_engine.values())}
        held |= {run.slot for run in self._need_prompt}
        self._is_full &= bool(held)  # nobody plays, so it is time to look again
        roomy = sorted(self._used_slots) if self._was_full else []
        others = [] if self._is_full else [one for one in range(num_slots) if one not in roomy]
        free = [slot for slot in (*roomy, *others) if slot not in held]
        self._free_slots = free[: max(0, num_slots - used)][::-1]

    def _begin_waiting_episodes(self) -> bool:
        """Begin as many episodes as there are slots; return whether there was one."""
        if not self._waiting:
            return False
        has_begun = False
        self._open_slots()  # forks wait for more slots than their group's starts had
        while self._waiting and self._free_slots:
            run = self._waiting.popleft()
            if run.is_dropped:
                continue
            run.slot = self._free_slots.pop()
            is_new = not run.called_at
            self._enter_env(run)
            if is_new:
                self._call_back("on_episode_created", run)
            self._envs.reset(run.slot, run.task.seed, is_training=run.task.is_training)
            has_begun = True
        return has_begun

    def _finish(self, run: EpisodeRun) -> None:
        self._free_slots.append(run.slot)
        group = self._groups[run.task.group_id]
        if not group.is_over:
            self._waiting.extend(group.next_runs())
            return
        del self._groups[run.task.group_id]
        self._finished.append(FinishedGroup(run.task, [one.episode for one in group.runs]))

    def _lose_group_of(self, run: EpisodeRun, kind: str, message: str) -> None:
        where = f"{self._settings.env_name}, {run.place}"
        self._lose_group(run.task, kind, f"{where}: {message}")

    def _lose_group(self, task: GroupTask, kind: str, message: str) -> None:
        self._end_group(task)
        self._lost.append(LostGroup(task, kind, message))

    def _end_group(self, task: GroupTask) -> None:
        """Drop a group's episodes; those in an environment free their slot when it answers."""
        for run in self._groups.pop(task.group_id).runs:
            run.is_dropped = True
            if run.request_id in self._in_engine:
                self._module.engine.abort([run.request_id])
                del self._in_engine[run.request_id]
                self._free_slots.append(run.slot)
        for run in self._need_prompt:
            if run.task == task:
                self._free_slots.append(run.slot)
        self._need_prompt = [run for run in self._need_prompt if run.task != task]

    # ------------------------------------------------------------------ environment -> prompt

    def _take_env_events(self) -> None:
        for event in self._envs.poll():
            run = self._in_env.pop(event.slot, None)
            if run is None:  # late: its group was already lost
                continue
            self._longest_call_s = max(self._longest_call_s, time.monotonic() - run.called_at)
            self._stats = replace(self._stats, env_s=self._stats.env_s + event.seconds)
            if run.is_dropped:
                self._free_slots.append(event.slot)
                continue
            if event.error_kind == NO_ROOM and self._may_wait(run):
                self._wait_for_room(run, event)
                continue
            fault = self._fault(run, event)
            if fault is not None:
                self._free_slots.append(event.slot)
                self._lose_group_of(run, *fault)
            elif not run.episode.is_reset:
                self._add_reset(run, event)
            elif run.replay_left is not None:
                self._add_repeated_step(run, event)
            else:
                self._add_step(run, event)

    def _may_wait(self, run: EpisodeRun) -> bool:
        """Return whether another episode plays, which will leave its slot to this one."""
        return not run.episode.is_reset and bool(
            self._in_env or self._in_engine or self._need_prompt
        )

    def _wait_for_room(self, run: EpisodeRun, event: EnvEvent) -> None:
        """Let an episode begin later, in the slot of another one."""
        self._waiting.append(run)
        if not self._is_full:
            self._tell(f"{event.error} Until then, episodes wait for each other.")
        self._is_full = self._was_full = True

    def _fault(self, run: EpisodeRun, event: EnvEvent) -> tuple[str, str] | None:
        """Check what an environment returned."""
        if event.error is not None:
            return event.error_kind or "step", event.error
        if not run.episode.is_reset:
            return self._groups[run.task.group_id].begin_fault(event)
        if run.replay_left is not None:
            return run.replay_left.fault(len(run.episode), event)
        return _role_fault(run, event)

    def _add_reset(self, run: EpisodeRun, event: EnvEvent) -> None:
        self._used_slots.add(run.slot)
        run.recorder.add_reset(event)
        self._call_back("on_episode_start", run)
        self._go_on(run)

    def _add_repeated_step(self, run: EpisodeRun, event: EnvEvent) -> None:
        self._repeat(run, event)
        self._go_on(run)

    def _repeat(self, run: EpisodeRun, event: EnvEvent) -> None:
        assert run.replay_left is not None
        run.recorder.add_repeated_step(event, run.replay_left)
        self._call_back("on_episode_step", run)

    def _go_on(self, run: EpisodeRun) -> None:
        """Take the next step: one that a fork repeats, or a new answer."""
        while (replay := run.replay_left) is not None:
            action = replay.action(len(run.episode))
            if action is not None:
                self._step_env(run, action)
                return
            self._repeat(run, run.recorder.unchanged(run.slot))  # the environment was not called
        self._need_prompt.append(run)

    def _add_step(self, run: EpisodeRun, event: EnvEvent) -> None:
        limit = run.task.max_steps or self._settings.max_episode_steps
        is_last = len(run.episode) + 1 >= limit
        run.recorder.add_step(event, is_last=is_last)
        self._stats = replace(self._stats, num_steps=self._stats.num_steps + 1)
        self._call_back("on_episode_step", run)
        if run.episode.is_done:
            self._call_back("on_episode_end", run)
            self._finish(run)
        else:
            self._go_on(run)

    def _call_back(self, hook: str, run: EpisodeRun) -> None:
        callbacks = self._callbacks.get(run.task.is_training)
        if callbacks is not None:
            callbacks.on_episode(hook, run.episode, slot=run.slot, envs=self._envs)

    # ------------------------------------------------------------------ prompt -> engine

    def _submit_prompts(self) -> None:
        runs, self._need_prompt = self._need_prompt, []
        for part in _by_kind(runs):
            self._submit(part)

    def _submit(self, runs: list[EpisodeRun]) -> None:
        faults: dict[str, str] = {}
        batch = self._pass_through(
            self._env_to_module, runs, {}, shared_data={columns.OBSERVATION_FAULTS: faults}
        )
        self._lose_unreadable(runs, faults)
        requests = []
        for run, prompt, text in zip(
            runs, batch[columns.PROMPTS], batch[columns.OBSERVATION_TEXT], strict=True
        ):
            if run.is_dropped:
                self._free_slots.append(run.slot)
                continue
            run.recorder.add_prompt(prompt, text)
            self._in_engine[run.request_id] = run
            requests.append(
                GenerationRequest(
                    request_id=run.request_id,
                    prompt_token_ids=prompt.token_ids,
                    sampling=run.task.sampling,
                    seed=answer_seed(run.task, run.request_id, run_seed=self._settings.seed),
                    images=prompt.images,
                    with_uncertainty=self._asks_uncertainty and run.task.is_training,
                )
            )
        self._module.submit(requests)

    def _lose_unreadable(self, runs: list[EpisodeRun], faults: dict[str, str]) -> None:
        """Lose the groups of episodes whose observation did not become text."""
        for run in runs:
            if run.episode.id_ in faults and not run.is_dropped:
                self._lose_group_of(run, "observation", faults[run.episode.id_])

    def _pass_through(
        self,
        pipeline: Any,
        runs: list[EpisodeRun],
        batch: dict[str, Any],
        shared_data: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run a pipeline on episodes that are all for training or all for evaluation."""
        return pipeline(
            rl_module=self._module,
            batch=batch,
            episodes=[run.episode for run in runs],
            explore=runs[0].task.is_training,
            shared_data={} if shared_data is None else shared_data,
        )

    # ------------------------------------------------------------------ engine -> environment

    def _take_generations(self) -> None:
        if not self._in_engine:
            return
        start = time.perf_counter()
        generations = self._module.poll()
        elapsed = time.perf_counter() - start
        self._stats = replace(self._stats, engine_s=self._stats.engine_s + elapsed)
        answers = {one.request_id: one for one in generations}
        runs = [self._in_engine.pop(request_id) for request_id in answers]
        self._check_requests()
        for part in _by_kind(runs):
            self._take(part, [answers[run.request_id] for run in part])

    def _check_requests(self) -> None:
        """Check that the engine still has every request that it did not answer."""
        num_lost = len(self._in_engine) - self._module.engine.num_unfinished
        if num_lost > 0:
            raise EngineError(
                f"The engine lost {num_lost} of {len(self._in_engine)} requests: it holds them no"
                " longer and did not answer them. This is a fault of the engine."
            )

    def _take(self, runs: list[EpisodeRun], generations: list[Generation]) -> None:
        batch = self._pass_through(self._module_to_env, runs, {columns.GENERATIONS: generations})
        self._count_tokens(runs, generations)
        sub_goals = batch.get(columns.SUB_GOALS, [None] * len(runs))
        for index, (run, generation) in enumerate(zip(runs, generations, strict=True)):
            action = batch[columns.ENV_ACTIONS][index]
            run.recorder.add_answer(
                generation,
                text=batch[columns.RESPONSE_TEXT][index],
                parsed=batch[columns.PARSED_ACTIONS][index],
                action=None if action is SKIP_STEP else action,
                sub_goal=sub_goals[index],
            )
            self._act(run, action)

    def _act(self, run: EpisodeRun, action: Any) -> None:
        """Send the action; an answer without one does not change the state."""
        if action is SKIP_STEP:
            self._add_step(run, run.recorder.unchanged(run.slot))
            return
        self._step_env(run, action)

    def _step_env(self, run: EpisodeRun, action: Any) -> None:
        self._enter_env(run)
        self._envs.step(run.slot, action)

    def _enter_env(self, run: EpisodeRun) -> None:
        run.called_at = time.monotonic()
        self._in_env[run.slot] = run

    def _count_tokens(self, runs: list[EpisodeRun], generations: list[Generation]) -> None:
        self._stats = replace(
            self._stats,
            num_prompt_tokens=self._stats.num_prompt_tokens
            + sum(len(run.recorder.prompt.token_ids) for run in runs if run.recorder.prompt),
            num_cached_tokens=self._stats.num_cached_tokens
            + sum(generation.num_cached_tokens for generation in generations),
            num_response_tokens=self._stats.num_response_tokens
            + sum(len(generation.token_ids) for generation in generations),
        )

    # ------------------------------------------------------------------ watchdog

    def _check_progress(self) -> None:
        """Lose the groups whose environments have not answered for too long.

        If nothing else is left, give up all groups: the slots of such environments stay occupied.
        """
        now, limit_s = time.monotonic(), self._settings.stall_timeout_s
        if now < self._checked_at + min(1.0, limit_s / 10):
            return
        self._checked_at = now
        # A pool that is overloaded answers late, but it answers.
        oldest = now - limit_s - self._longest_call_s
        late = [run for run in self._in_env.values() if run.called_at <= oldest]
        if not late:
            return
        idle_s = now - min(run.called_at for run in late)
        message = (
            f"{self._settings.env_name} has not answered for {idle_s:.0f} s (limit"
            f" {limit_s:g} s, config.inference(engine_timeout_s=...)):"
            f" {short('; '.join(run.place for run in late))}"
        )
        lost = {run.task.group_id: run.task for run in late if not run.is_dropped}
        for task in lost.values():
            self._lose_group(task, "timeout", message)
        if len(late) == len(self._in_env) and not (self._in_engine or self._need_prompt):
            self.is_stalled = True
            self._in_env.clear()
            self._waiting.clear()
            for task in [group.task for group in self._groups.values()]:
                self._lose_group(task, "timeout", message)


def _role_fault(run: EpisodeRun, event: EnvEvent) -> tuple[str, str] | None:
    """Check that each step of an episode with several roles says who acts next."""
    is_over = event.terminated or event.truncated
    if is_over or not forgets_role(run.episode, event.info or {}):
        return None
    return (
        "info",
        "info has no 'role', which it had at reset; name who acts next in every info, or in none",
    )


def _by_kind(runs: list[EpisodeRun]) -> list[list[EpisodeRun]]:
    """Split the episodes into those for training and those for evaluation (``explore``)."""
    kinds = ([run for run in runs if run.task.is_training == kind] for kind in (True, False))
    return [part for part in kinds if part]
