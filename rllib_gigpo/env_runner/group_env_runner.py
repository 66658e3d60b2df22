"""The EnvRunner: an inference engine, environments, and the rollouts that connect them.

`sample` plays whole groups and returns whole episodes. It is built on `start` and `poll`, which do
not block: groups join and leave at any time, and those of training and evaluation run together.
"""

from __future__ import annotations

import copy
import gc
import math
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import torch
from ray.rllib.core import (
    COMPONENT_ENV_TO_MODULE_CONNECTOR,
    COMPONENT_MODULE_TO_ENV_CONNECTOR,
    COMPONENT_RL_MODULE,
    DEFAULT_MODULE_ID,
)
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from rllib_gigpo.agent_programs.program_env import program_settings_of
from rllib_gigpo.agent_programs.program_rollouts import ProgramRollouts
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.play_answer import PlayAnswer
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.connectors.pipelines import action_hints
from rllib_gigpo.engines import make_engine
from rllib_gigpo.engines.inference_engine import EngineSettings
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.environment_rollouts import EnvironmentPlace, EnvironmentRollouts
from rllib_gigpo.env_runner.hang_watch import HangWatch
from rllib_gigpo.env_runner.last_words import end_this_actor, tell_driver
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.rollout_maker import PlaysGroups, RolloutMaker
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.envs.contract import RUNS_IN_THREADS
from rllib_gigpo.errors import (
    ConfigError,
    EnvContractError,
    GiGPOError,
    RolloutError,
    WeightSyncError,
)
from rllib_gigpo.panels.panel_environment import started_in
from rllib_gigpo.panels.played_task import check_starts
from rllib_gigpo.prompting.tool_calls.tool_use import tools_of
from rllib_gigpo.rl_modules.engine_module import VERSION, EngineModule

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings

FIRST_PATIENCE_S, PATIENCE_GROWTH = 0.02, 10.0
"""Longest wait of a call of `GroupEnvRunner.play` after news, and its factor from call to call."""

_RARE_COLLECTIONS = (50_000, 20, 20)
"""Thresholds of `gc`: a full collection reads all live episodes, which took a tenth of the time."""


class GroupEnvRunner(EnvRunner, Checkpointable):
    """EnvRunner that plays groups of episodes, one task per group, with continuous batching.

    `module` is an `EngineModule`: the engine is its forward pass, and `set_state` updates weights.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        """Start the engine, and make one environment to read its spaces.

        Args:
            config: A validated `GiGPOConfig`.
            **kwargs: The arguments of `EnvRunnerGroup`: worker_index, spaces, ...
        """
        super().__init__(config=config, **kwargs)
        if self.worker_index:  # it has the process for itself
            gc.set_threshold(*_RARE_COLLECTIONS)
        self._settings: Settings = self.config.settings
        evaluated = self.config.evaluated()
        self._env_source = EnvSource.from_configs(self.config, evaluated)
        self._watch = HangWatch(
            self._env_source.name,
            limit_s=self._settings.inference.engine_timeout_s,
            report=self._report_hang,
        )
        self._rollout: PlaysGroups | None = None
        self._unanswered = SampleResult()
        self._patience_s = FIRST_PATIENCE_S
        self.module: EngineModule
        self.make_env()
        self.make_module()
        # What callbacks get by ``is_training``: evaluation has its own config and metrics, as with
        # RLlib's separate EnvRunners.
        self._views = {True: self, False: self._view_of(evaluated)}
        self._callbacks = {kind: RunnerCallbacks(view) for kind, view in self._views.items()}

    def _view_of(self, config: Any) -> GroupEnvRunner:
        view = copy.copy(self)
        view.config = config
        view.metrics = MetricsLogger(stats_cls_lookup=config.stats_cls_lookup, root=False)
        return view

    # ------------------------------------------------------------------ RLlib's construction

    @override(EnvRunner)
    def make_env(self) -> None:
        """Make one environment to read its spaces, and build the pipelines that need them."""
        with self._probe(self._env_source) as env:
            self._spaces = (env.observation_space, env.action_space)
            self._env_to_module = self.config.build_env_to_module_connector(env=env)
            self._module_to_env = self.config.build_module_to_env_connector(env=env)
            actions = _actions_of(env)
            self._may_thread = _runs_in_threads(env)
            program = program_settings_of(env)
        of_evaluation = program
        if self._env_source.of_evaluation is not None:
            of_evaluation = self._check_evaluation(self._env_source.of_evaluation, actions)
        self._rollouts = self._rollout_maker(program, of_evaluation)

    def _check_evaluation(
        self, source: EnvSource, actions: tuple[str, dict[str, Any]]
    ) -> ProgramSettings | None:
        """Check that evaluation's environment fits training's; return its settings of a program."""
        with self._probe(source) as env:
            self._may_thread &= _runs_in_threads(env)
            self._check_panel(env)
            if _actions_of(env) != actions:
                raise EnvContractError(
                    f"evaluation_config: the environment's actions {_actions_of(env)} differ from"
                    f" those of training, {actions}. Evaluation uses the connectors of training,"
                    " so change only settings that leave the actions as they are."
                )
            return program_settings_of(env)

    def _check_panel(self, env: gym.Env) -> None:
        """Check how the first task of evaluation's panel starts here, long before it is played."""
        panel = self.config.evaluated().settings.tasks.panel
        if panel is not None:
            check_starts(panel, [started_in(env, panel.tasks[0].seed)])

    @contextmanager
    def _probe(self, source: EnvSource) -> Iterator[gym.Env]:
        with self._watch.during("its constructor"):
            env = source.make()
        yield env
        with self._watch.during("close()"):
            source.close(env)

    @override(EnvRunner)
    def make_module(self) -> None:
        """Start the engine, once in the life of this EnvRunner."""
        self.module = EngineModule(
            make_engine(self._settings.inference.engine, self._engine_settings()),
            observation_space=self._spaces[0],
            action_space=self._spaces[1],
            inference_only=True,
            model_config={},
        )

    def _engine_settings(self) -> EngineSettings:
        model, inference = self._settings.model, self._settings.inference
        return EngineSettings(
            model_path=str(model.model_path),
            dtype=inference.engine_dtype or model.dtype,
            max_model_len=model.max_prompt_tokens + model.max_response_tokens,
            seed=int(self.config.seed or 0) + int(self.worker_index or 0),
            tensor_parallel_size=inference.tensor_parallel_size,
            share_gpu=inference.share_gpu,
            updates_in_flight=self._settings.asynchrony.max_staleness > 0,
            lora=model.lora if model.lora is not None and model.lora.is_hot else None,
            max_prompt_images=model.images.max_in_prompt,
            engine_kwargs=dict(inference.engine_kwargs),
            timeout_s=inference.engine_timeout_s,
            num_threads=self._num_engine_threads(),
        )

    def _num_engine_threads(self) -> int | None:
        """Leave half of the CPUs to environments that run at the same time as the engine.

        The threads of a CPU kernel wait for each other without sleeping. With two of them and one
        free CPU, an engine step of the main job took 6 times as long as with one thread.
        """
        return max(1, torch.get_num_threads() // 2) if self._rollouts.runs_beside_engine else None

    def _rollout_maker(
        self, program: ProgramSettings | None, of_evaluation: ProgramSettings | None
    ) -> RolloutMaker:
        """Return the maker of rollouts: of an agent's own program, or else with environments."""
        if (program is None) != (of_evaluation is None):
            raise ConfigError(
                "evaluation_config: an agent's own program and an environment cannot be mixed; set"
                " programs for both, or environments for both"
            )
        if program is not None and of_evaluation is not None:
            programs = {True: program, False: of_evaluation}
            return ProgramRollouts.from_settings(programs, self._settings)
        place = EnvironmentPlace(
            settings=self._settings.env_runners,
            may_thread=self._may_thread,
            is_remote=bool(self.worker_index),
            num_cpus=int(self.config.num_cpus_per_env_runner),
            patience_s=self._settings.inference.engine_timeout_s,
            watch=self._watch,
        )
        return EnvironmentRollouts(
            self._env_source,
            place,
            pipelines=(self._env_to_module, self._module_to_env),
            on_created=self._on_env_created,
        )

    def _on_env_created(self, env: gym.Env, is_training: bool) -> None:
        self._callbacks[is_training].on_environment_created(env)

    def _report_hang(self, message: str) -> None:
        """Say which call hangs; a remote EnvRunner then ends itself, and Ray restarts it."""
        if self._rollout is not None and self.worker_index:
            end_this_actor(f"{message} The EnvRunner was ended and its groups are lost.")
        tell_driver(message)

    # ------------------------------------------------------------------ sampling

    @override(EnvRunner)
    def sample(self, tasks: Sequence[GroupTask] = (), **kwargs: Any) -> list[SingleAgentEpisode]:
        """Play ``tasks``, and return the whole episodes of all groups that were not lost.

        Args:
            tasks: The groups to play, each with its size and sampling settings.
            **kwargs: See `sample_groups`.
        """
        return self.sample_groups(tasks, **kwargs).episodes

    def sample_groups(
        self, tasks: Sequence[GroupTask], *, weight_version: int | None = None
    ) -> SampleResult:
        """Play ``tasks`` to their end.

        Args:
            tasks: The groups to play.
            weight_version: The lowest policy version that the engine may have; None for any.

        Raises:
            WeightSyncError: The engine has an older version.
        """
        self.start(tasks, weight_version=weight_version)
        result, others = SampleResult(), SampleResult()
        asked = {task.group_id for task in tasks}
        while not self.is_idle:
            own, other = self.play(patience_s=math.inf).split(asked)
            result, others = result + own, others + other
        self._unanswered += others  # `answer` returns them
        return result

    def answer(
        self,
        tasks: Sequence[GroupTask] = (),
        *,
        weight_version: int | None = None,
        drop: Sequence[int | str] = (),
        patience_s: float,
    ) -> PlayAnswer:
        """Drop groups, start ``tasks``, and play on; see `play`. It raises nothing.

        The calls of a remote EnvRunner: RLlib only logs an exception, and ends the EnvRunner.
        """
        try:
            self.drop(drop)
            if tasks:
                self.start(tasks, weight_version=weight_version)
            result, self._unanswered = self._unanswered, SampleResult()
            if not (result.groups or result.lost):
                result += self.play(patience_s=patience_s)
            return PlayAnswer(result, is_playing=not self.is_idle, num_left=self.num_left)
        except GiGPOError as error:
            return PlayAnswer(error=error)
        except Exception:
            failed = f"EnvRunner {self.worker_index} failed:\n{traceback.format_exc()}"
            return PlayAnswer(error=RolloutError(failed))

    def play(self, *, patience_s: float) -> SampleResult:
        """Play until a group ends, nothing is left, there is room for another one, or time is up.

        Then call ``on_sample_end``, if a group finished.

        Args:
            patience_s: Seconds after which to return without news; less right after news, so that
                what is handed out in response does not wait.
        """
        result, start, room_before = SampleResult(), time.monotonic(), self._room()
        patience_s = min(patience_s, self._patience_s)
        while not (
            self.is_idle
            or result.ended
            or self._room() > room_before
            or time.monotonic() > start + patience_s
        ):
            result += self.poll()
        is_news = bool(result.ended) or self._room() > room_before
        self._patience_s = FIRST_PATIENCE_S if is_news else self._patience_s * PATIENCE_GROWTH
        for is_training in {group.task.is_training for group in result.groups}:
            groups = [group for group in result.groups if group.task.is_training == is_training]
            self._callbacks[is_training].on_sample_end(SampleResult(groups=groups).episodes)
        return result

    def drop(self, group_ids: Sequence[int | str]) -> None:
        """End groups without a result; ignore those that are not played."""
        if self._rollout is not None:
            self._rollout.drop(group_ids)

    def start(self, tasks: Sequence[GroupTask], *, weight_version: int | None = None) -> None:
        """Start to play ``tasks``, in addition to running ones, and return immediately."""
        held = self.module.engine.weight_version
        if weight_version is not None and held < weight_version:
            raise WeightSyncError(
                f"EnvRunner {self.worker_index} has policy version {held}, but sampling needs"
                f" version {weight_version}: the weight update was lost. Sync the weights before"
                " sampling."
            )
        if self._rollout is None or self._rollout.is_done:
            self._rollout = self._new_rollout()
        self._rollout.drop([task.group_id for task in tasks])  # from a time when it was given up
        self._rollout.start(tasks)
        self._patience_s = FIRST_PATIENCE_S

    def poll(self) -> SampleResult:
        """Advance all episodes by one engine step; return what finished since the last call."""
        if self._rollout is None:
            return SampleResult()
        self._rollout.advance()
        result = self._rollout.take_result()
        if self._rollout.is_stalled:
            self._close_episodes()
        return result

    @property
    def num_left(self) -> dict[int | str, int]:
        """Number of unfinished episodes of each group."""
        return {} if self._rollout is None else self._rollout.num_left

    def _room(self) -> int:
        """Number of episodes that would begin at once; -1 if others wait, or without a bound."""
        bound = self._settings.inference.max_concurrent_episodes
        return -1 if bound is None else max(-1, bound - sum(self.num_left.values()))

    @property
    def is_idle(self) -> bool:
        """Whether no group is running."""
        return self._rollout is None or self._rollout.is_done

    def _new_rollout(self) -> PlaysGroups:
        inference, credit = self._settings.inference, self._settings.credit
        settings = RolloutSettings(
            max_episode_steps=self._settings.tasks.max_episode_steps,
            max_concurrent_episodes=inference.max_concurrent_episodes,
            seed=self.config.seed,
            stall_timeout_s=inference.engine_timeout_s,
            env_name=self._env_source.name,
            with_uncertainty=credit.uncertainty_reward is not None,
            group_plan=credit.group_plan,
        )
        return self._rollouts.make(self.module, settings, self._callbacks)

    # ------------------------------------------------------------------ state and end

    @override(EnvRunner)
    def get_spaces(self) -> dict[str, tuple[gym.Space, gym.Space]]:
        """Return the environment's spaces, under RLlib's keys."""
        return {
            INPUT_ENV_SPACES: self._spaces,
            INPUT_ENV_SINGLE_SPACES: self._spaces,
            DEFAULT_MODULE_ID: self._spaces,
        }

    @override(Checkpointable)
    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the pipelines' states; the Learner keeps the weights."""
        return {
            COMPONENT_ENV_TO_MODULE_CONNECTOR: self._env_to_module.get_state(),
            COMPONENT_MODULE_TO_ENV_CONNECTOR: self._module_to_env.get_state(),
        }

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        """Load the given states; new weights are in the engine when this returns."""
        if COMPONENT_ENV_TO_MODULE_CONNECTOR in state:
            self._env_to_module.set_state(state[COMPONENT_ENV_TO_MODULE_CONNECTOR])
        if COMPONENT_MODULE_TO_ENV_CONNECTOR in state:
            self._module_to_env.set_state(state[COMPONENT_MODULE_TO_ENV_CONNECTOR])
        # RLlib's own syncs are references, or have no version; load only those of `WeightSync`.
        module_state = state.get(COMPONENT_RL_MODULE)
        if isinstance(module_state, Mapping) and VERSION in module_state:
            self.module.set_state(module_state)

    @override(Checkpointable)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple, dict[str, Any]]:
        """Return the arguments that build an equal EnvRunner."""
        return (), {"config": self.config}

    @override(Checkpointable)
    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """Return the pipelines, each of which gets its own folder in a checkpoint."""
        return [
            (COMPONENT_ENV_TO_MODULE_CONNECTOR, self._env_to_module),
            (COMPONENT_MODULE_TO_ENV_CONNECTOR, self._module_to_env),
        ]

    @override(EnvRunner)
    def get_metrics(self, *, is_training: bool = True) -> dict[str, Any]:
        """Return what callbacks logged since the last call; `SampleResult` has all other metrics.

        Args:
            is_training: Whether to return the metrics of training's or of evaluation's callbacks.
        """
        return self._views[is_training].metrics.reduce()

    @override(EnvRunner)
    def assert_healthy(self) -> None:
        """Raise if the constructor did not finish."""
        assert isinstance(self.module, EngineModule), "The inference engine has not started."

    @override(EnvRunner)
    def stop(self) -> None:
        """Close the environments and stop the engine."""
        self._close_episodes()
        self._watch.stop()
        self.module.stop()

    def _close_episodes(self) -> None:
        self._rollouts.close()
        self._rollout = None if self._rollout is None or self._rollout.is_done else self._rollout


def _runs_in_threads(env: gym.Env) -> bool:
    """Return what the environment says of itself; a wrapper that has no metadata says nothing."""
    return bool((getattr(env, "metadata", None) or {}).get(RUNS_IN_THREADS, False))


def _actions_of(env: gym.Env) -> tuple[str, dict[str, Any]]:
    """Return what the connectors know of an environment's actions: their space and names."""
    space = env.action_space
    name = "Text" if isinstance(space, gym.spaces.Text) else str(space)
    return name, {**action_hints(env), "tools": tools_of(env)}
