"""GiGPO (Group-in-Group Policy Optimization, arXiv 2505.10978) as an RLlib Algorithm.

Start reading here: `GiGPO.training_step` shows the path of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    TIMERS,
)
from ray.tune import PlacementGroupFactory
from ray.tune.registry import register_trainable

from rllib_gigpo import columns
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.config.gigpo_config import BaseGiGPOConfig
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.learner.learner_scores import LearnerScores, make_learner_scores
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.reports.transcripts import TranscriptWriter
from rllib_gigpo.resources import check_resources
from rllib_gigpo.sampling.dynamic_sampler import DynamicSampler
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.remote_runners import RemoteRunners
from rllib_gigpo.sampling.rollout_metrics import evaluation_metrics, rollout_metrics
from rllib_gigpo.sampling.sample_source import SampleSource, SyncSource
from rllib_gigpo.sampling.task_streams import EvaluationTasks, TaskStream
from rllib_gigpo.weights.weight_sync import WeightSync

__all__ = ["GiGPO", "GiGPOConfig"]

_STATE = "gigpo"
CREDIT_RESULTS = "credit"


class GiGPOConfig(BaseGiGPOConfig):
    """Settings of a GiGPO run; `rllib settings` prints them all."""

    def __init__(self, algo_class: type | None = None) -> None:
        """Set every default; ``algo_class`` is a subclass of `GiGPO`, or None for `GiGPO`."""
        super().__init__(algo_class=algo_class or GiGPO)


class GiGPO(Algorithm):
    """Trains a language model with credit from groups of episodes and groups of equal states."""

    @classmethod
    @override(Algorithm)
    def get_default_config(cls) -> GiGPOConfig:
        """The defaults of the published scripts."""
        return GiGPOConfig()

    @override(Algorithm)
    def setup(self, config: Any) -> None:
        """Start runners and Learners, and give every engine the Learner's weights."""
        check_resources(self.default_resource_request(config))
        super().setup(config)
        self.settings = self.config.settings
        self.policy_version = 0
        self._credit = self.config.build_learner_connector(*self.spaces[INPUT_ENV_SINGLE_SPACES])
        self._weight_sync = self.make_weight_sync()
        self._sampler = self.make_group_sampler()
        self.sample_source = self.make_sample_source()
        self._learner_scores = self.make_learner_scores()
        self._report: dict[str, dict[str, Any]] = {}
        self.last_batch: dict[str, Any] = {}
        self.callbacks.append(TranscriptWriter(self.settings.reporting.transcripts))
        self._weight_sync.push(self.policy_version)

    # ------------------------------------------------------------------ parts, for subclasses

    def make_weight_sync(self) -> WeightSync:
        """Make what carries new weights to the engines."""
        timeout_s = self.settings.inference.weight_sync_timeout_s
        return WeightSync(self.learner_group, self.env_runner_group, timeout_s=timeout_s)

    def make_group_sampler(self) -> GroupSampler:
        """Make what has tasks played, of training and of evaluation."""
        local = self.env_runner_group.local_env_runner
        return GroupSampler(
            self._remote_runners().sample if local is None else local.sample_groups,
            max_redraws=self.settings.env_runners.max_group_redraws,
        )

    def make_task_stream(self) -> TaskStream:
        """Make the sequence of training tasks."""
        tasks, max_tokens = self.settings.tasks, self.settings.model.max_response_tokens
        return TaskStream(
            group_size=self.settings.credit.group_size,
            sampling=SamplingSettings(max_tokens=max_tokens),
            first_task=tasks.first_train_task,
            num_tasks=tasks.num_train_tasks,
            period=tasks.task_period,
            seed=self.config.seed or 0,
        )

    def make_sample_source(self) -> SampleSource:
        """Make what gives each iteration its batch."""
        dynamic = self.settings.credit.dynamic_sampling
        if dynamic is None:
            return SyncSource(self.make_task_stream(), self._sampler)
        sampler = DynamicSampler(self._sampler, max_resamples=dynamic.max_resamples)
        return SyncSource(self.make_task_stream(), sampler)

    def make_learner_scores(self) -> list[LearnerScores]:
        """Make what the Learners are asked before credit is given: often nothing."""
        return make_learner_scores(self.config, self.learner_group, self.spaces)

    def make_evaluation_tasks(self) -> EvaluationTasks:
        """Make the test tasks."""
        return EvaluationTasks.from_settings(self.config.evaluated().settings)

    # ------------------------------------------------------------------ one iteration

    @override(Algorithm)
    def training_step(self) -> None:
        """Sample groups of episodes, give each step its credit, update, hand out the weights."""
        self._report = {TIMERS: {}}
        with self._phase("sample"):
            result = self._sample()
        with self._engines_asleep():  # credit may ask the Learners for values
            with self._phase("credit"):
                rows = self._assign_credit(result)
            with self._phase("learn"):
                self._update(rows)
            with self._phase("sync"):
                self._hand_out_weights()

    def _sample(self) -> SampleResult:
        """Tasks -> whole groups of whole episodes."""
        result = self.sample_source.sample(
            self.settings.credit.num_groups, weight_version=self.policy_version
        )
        metrics = rollout_metrics(result)
        self._report[ENV_RUNNER_RESULTS] = metrics
        self._log_counts(metrics["num_env_steps"])
        return result

    def _assign_credit(self, result: SampleResult) -> TokenRows:
        """Episodes -> returns -> anchor groups -> advantages -> rows, over the whole batch."""
        episodes = result.episodes
        scores = [score(episodes) for score in self._learner_scores]
        batch = self._credit(
            rl_module=None,
            batch={name: column for part in scores for name, column in part.items()},
            episodes=episodes,
            explore=True,
            shared_data={"iteration": self.iteration},
        )
        self.last_batch = {**batch, "episodes": episodes}
        self._report[CREDIT_RESULTS] = batch[columns.CREDIT_METRICS]
        return batch[columns.TOKEN_ROWS]

    def _update(self, rows: TokenRows) -> None:
        """Token rows -> new weights; the Learners share the rows, balanced by tokens."""
        results = self.learner_group.update(training_data=TrainingRows(rows=rows))
        self.metrics.aggregate(results, key=LEARNER_RESULTS)

    def _hand_out_weights(self) -> None:
        """New weights -> every engine, as the next policy version."""
        self.policy_version += 1
        self._weight_sync.push(self.policy_version)

    # ------------------------------------------------------------------ evaluation

    @override(Algorithm)
    def evaluate(self, parallel_train_future: Any = None) -> dict[str, Any]:
        """Play the fixed test tasks once each, on the training engines.

        Returns:
            ``{"env_runners": ...}`` with the success rate, its 95 % interval, and a row per tag.
        """
        tasks = self.make_evaluation_tasks()
        with self._phase("evaluate"):
            result = self._sampler.sample(
                tasks.draw,
                tasks.num_tasks,
                weight_version=self.policy_version,
                may_give_fewer=True,
            )
        return {ENV_RUNNER_RESULTS: evaluation_metrics(result)}

    @classmethod
    @override(Algorithm)
    def _should_create_evaluation_env_runners(cls, eval_config: Any) -> bool:
        """Never: a second group of EnvRunners would hold a second copy of the model."""
        return False

    # ------------------------------------------------------------------ runners that come back

    def _remote_runners(self) -> RemoteRunners:
        config = self.config
        return RemoteRunners(
            self.env_runner_group,
            timeout_s=config.sample_timeout_s,
            restore=lambda: self.restore_env_runners(self.env_runner_group),
            restore_timeout_s=(
                config.env_runner_restore_timeout_s if config.restart_failed_env_runners else 0.0
            ),
            resync=lambda: self._weight_sync.push(self.policy_version),
        )

    @override(Algorithm)
    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Bring dead EnvRunners back; their new engines get the newest weights."""
        restored = super().restore_env_runners(env_runner_group)
        if restored:
            self._weight_sync.push(self.policy_version)
        return restored

    # ------------------------------------------------------------------ checkpoints

    @override(Algorithm)
    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """RLlib's state, the position of the sample source and the policy version.

        Every other source of randomness is derived from the seed and these numbers.
        """
        state = super().get_state(components, not_components=not_components, **kwargs)
        state[_STATE] = {
            "sample_source": self.sample_source.get_state(),
            "policy_version": self.policy_version,
        }
        return state

    @override(Algorithm)
    def set_state(self, state: dict[str, Any]) -> None:
        """Take everything up where ``get_state`` left it."""
        super().set_state(state)
        if _STATE in state:
            self.sample_source.set_state(state[_STATE]["sample_source"])
            self.policy_version = state[_STATE]["policy_version"]
            self._weight_sync.push(self.policy_version)

    @override(Checkpointable)
    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Restore, then give every engine the restored weights."""
        super().restore_from_path(path, *args, **kwargs)
        self._weight_sync.push(self.policy_version)

    # ------------------------------------------------------------------ environment

    @staticmethod
    @override(Algorithm)
    def _get_env_id_and_creator(env_specifier: Any, config: Any) -> tuple[Any, Any]:
        """As in RLlib, and also a function of ``env_config`` that makes an environment."""
        if callable(env_specifier) and not isinstance(env_specifier, type):
            return env_specifier, env_specifier
        return Algorithm._get_env_id_and_creator(env_specifier, config)

    # ------------------------------------------------------------------ resources

    @classmethod
    @override(Algorithm)
    def default_resource_request(cls, config: Any) -> PlacementGroupFactory:
        """RLlib's bundles and one for each environment worker: uncounted actors never start."""
        request = super().default_resource_request(config)
        config = cls.get_default_config().update_from_dict(config)
        num_workers = config.num_env_workers * max(1, config.num_env_runners)
        workers = [{"CPU": config.num_cpus_per_env_worker}] * num_workers
        return PlacementGroupFactory(
            bundles=request.bundles + workers, strategy=config.placement_strategy
        )

    # ------------------------------------------------------------------ reports

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Time a phase; it appears as ``timers/<name>_s``."""
        start = time.perf_counter()
        yield
        self._report.setdefault(TIMERS, {})[f"{name}_s"] = time.perf_counter() - start

    @contextmanager
    def _engines_asleep(self) -> Iterator[None]:
        """With one GPU for both sides, the engines give back their memory during the update.

        The sync wakes them for their weights only; the cache follows when the Learner is done.
        """
        if not self.settings.inference.share_gpu:
            yield
            return
        self.env_runner_group.foreach_env_runner(lambda runner: runner.module.engine.sleep())
        try:
            yield
        finally:
            self.env_runner_group.foreach_env_runner(lambda runner: runner.module.engine.wake())

    def _log_counts(self, num_env_steps: int) -> None:
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED), num_env_steps, reduce="sum"
        )
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME),
            num_env_steps,
            reduce="lifetime_sum",
        )

    @override(Algorithm)
    def _compile_iteration_results(self, *, train_results: Any, eval_results: Any) -> Any:
        """Add this iteration's exact numbers; RLlib's logger would smooth them over iterations."""
        results = super()._compile_iteration_results(
            train_results=train_results, eval_results=eval_results
        )
        for topic, values in self._report.items():
            results[topic] = {**results.get(topic, {}), **values}
        results["policy_version"] = self.policy_version
        return results

    @override(Algorithm)
    def cleanup(self) -> None:
        """Stop the local engine too; RLlib only ends remote EnvRunners."""
        local = self.env_runner_group.local_env_runner if self.env_runner_group else None
        super().cleanup()
        if local is not None:
            local.stop()


register_trainable("GiGPO", GiGPO)
