"""Rollouts with environments: which pool an EnvRunner steps them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.rllib.utils.annotations import override

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.hang_watch import HangWatch
from rllib_gigpo.env_runner.last_words import tell_driver
from rllib_gigpo.env_runner.pools.daemon_threads import useful_num_threads
from rllib_gigpo.env_runner.pools.env_pool import EnvPool, OverlappingEnvs, SerialEnvs, ThreadedEnvs
from rllib_gigpo.env_runner.pools.env_slots import OnCreated
from rllib_gigpo.env_runner.pools.env_workers import RayEnvs
from rllib_gigpo.env_runner.rollout import Rollout, RolloutSettings
from rllib_gigpo.env_runner.rollout_maker import RolloutMaker
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.rl_modules.engine_module import EngineModule

if TYPE_CHECKING:
    from rllib_gigpo.config.sections.runtime import EnvRunnerSection


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlace:
    """Where the environments of an EnvRunner run.

    Attributes:
        settings: The settings of EnvRunners.
        may_thread: Whether the environments declare that they run in threads.
        is_remote: Whether the EnvRunner has its own process, from which episodes travel.
        num_cpus: The CPUs of a remote EnvRunner.
        patience_s: Longest wait for an environment beside the engine.
        watch: Says which environment hangs.
    """

    settings: EnvRunnerSection
    may_thread: bool
    is_remote: bool
    num_cpus: int
    patience_s: float
    watch: HangWatch | None


class EnvironmentRollouts(RolloutMaker):
    """Maker of rollouts that share one pool of environments."""

    def __init__(
        self,
        source: EnvSource,
        place: EnvironmentPlace,
        *,
        pipelines: tuple[Any, Any],
        on_created: OnCreated,
    ) -> None:
        """Prepare; the pool is made with the first rollout.

        Args:
            source: The source of the environments.
            place: Where they run.
            pipelines: From episodes to prompts, and from the engine's answers to actions.
            on_created: Gets each new environment of this process.
        """
        self._source, self._place = source, place
        self._pipelines, self._on_created = pipelines, on_created
        self._pool: EnvPool | None = None
        self._has_told = False  # that there is not room for all environments

    @property
    @override(RolloutMaker)
    def runs_beside_engine(self) -> bool:
        """Whether environments run in threads without being told to."""
        settings = self._place.settings
        is_auto = settings.num_env_threads is None and not settings.num_env_workers
        return is_auto and self._place.may_thread

    @override(RolloutMaker)
    def make(
        self,
        module: EngineModule,
        settings: RolloutSettings,
        callbacks: Mapping[bool, RunnerCallbacks],
    ) -> Rollout:
        """Return a new rollout, with the pool of the one before."""
        if self._pool is None:
            self._pool = self.make_pool()
        env_to_module, module_to_env = self._pipelines
        return Rollout(
            module,
            self._pool,
            env_to_module=env_to_module,
            module_to_env=module_to_env,
            settings=settings,
            callbacks=callbacks,
            tell=self._tell_once,
        )

    def _tell_once(self, message: str) -> None:
        if not self._has_told:
            self._has_told = True
            tell_driver(message)

    @override(RolloutMaker)
    def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def make_pool(self) -> EnvPool:
        """Make the pool that the settings ask for, or that fits the environments."""
        place, settings = self._place, self._place.settings
        in_process: dict[str, Any] = {
            "is_sent": place.is_remote,
            "on_created": self._on_created,
        }
        if settings.num_env_workers:
            return RayEnvs(
                self._source,
                num_workers=settings.num_env_workers,
                num_threads=settings.num_env_threads or 0,
                num_cpus=settings.num_cpus_per_env_worker,
            )
        if settings.num_env_threads:
            return ThreadedEnvs(self._source, num_threads=settings.num_env_threads, **in_process)
        if self.runs_beside_engine:
            return OverlappingEnvs(
                self._source,
                # A remote EnvRunner shares its machine with others.
                num_threads=place.num_cpus or 1 if place.is_remote else useful_num_threads(),
                patience_s=place.patience_s,
                **in_process,
            )
        return SerialEnvs(self._source, watch=place.watch, **in_process)
