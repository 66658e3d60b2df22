"""GiGPO (Group-in-Group Policy Optimization, arXiv 2505.10978) as an RLlib Algorithm.

Start reading here. `GiGPO.training_step` is one iteration of the algorithm:

1. Sample: play a batch of tasks, each with a group of episodes.
2. Credit: give each step an advantage. Compare its episode with the group's other episodes, and
   the step with the group's other steps from the same state (docs/concepts.md).
3. Learn: update the policy on the response tokens.
4. Sync: send the new weights to every inference engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    EVALUATION_RESULTS,
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
from rllib_gigpo.env_runner.runner_callbacks import metrics_of_hooks, warning_of_hidden_metrics
from rllib_gigpo.learner.learner_calls import LearnerCalls
from rllib_gigpo.learner.learner_scores import LearnerScores, make_learner_scores
from rllib_gigpo.learner.update_guard import UpdateGuard
from rllib_gigpo.reports.results import WARNINGS, without_nan
from rllib_gigpo.reports.transcripts import TranscriptWriter
from rllib_gigpo.resources import check_resources
from rllib_gigpo.sampling.async_source import AsyncSource
from rllib_gigpo.sampling.evaluation import EvaluationTasks, evaluation_metrics, metrics_of_answer
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.queue.crew import Crew, LocalCrew
from rllib_gigpo.sampling.queue.group_queue import GroupQueue
from rllib_gigpo.sampling.queue.queue_pump import QueuePump
from rllib_gigpo.sampling.queue.remote_runners import RemoteRunners
from rllib_gigpo.sampling.rollout_metrics import rollout_metrics
from rllib_gigpo.sampling.sample_source import SampleSource, SyncSource
from rllib_gigpo.sampling.staleness import staleness_metrics
from rllib_gigpo.sampling.training_tasks import TaskStream
from rllib_gigpo.weights.in_flight_sync import InFlightWeightSync
from rllib_gigpo.weights.weight_sync import WeightSync
from rllib_gigpo.whole_checkpoints import WholeCheckpoints

__all__ = ["GiGPO", "GiGPOConfig"]

_STATE = "gigpo"
CREDIT_RESULTS = "credit"


class GiGPOConfig(BaseGiGPOConfig):
    """Settings of a GiGPO run; `rllib settings` lists them."""

    def __init__(self, algo_class: type | None = None) -> None:
        """Set the defaults; ``algo_class`` is `GiGPO` (None) or a subclass."""
        super().__init__(algo_class=algo_class or GiGPO)


class GiGPO(WholeCheckpoints):
    """Algorithm that trains a language model with credit from groups of episodes and equal states.

    To replace a part of it, override the ``make_`` method that builds the part.
    """

    @classmethod
    @override(Algorithm)
    def get_default_config(cls) -> GiGPOConfig:
        """Return the defaults of the published scripts."""
        return GiGPOConfig()

    @override(Algorithm)
    def setup(self, config: Any) -> None:
        """Start the EnvRunners and Learners, and load the Learners' weights into every engine."""
        check_resources(self.default_resource_request(config))
        super().setup(config)

    @override(Algorithm)
    def _set_up_metrics(self) -> None:
        """Build our parts: this is RLlib's last step before on_algorithm_init (Ray 2.60)."""
        super()._set_up_metrics()
        self.settings = self.config.settings
        self.policy_version = 0
        self._credit = self.config.build_learner_connector(*self.spaces[INPUT_ENV_SINGLE_SPACES])
        self._is_async = self.settings.asynchrony.max_staleness > 0
        self._crew = self.make_crew()
        self._weight_sync = self.make_weight_sync()
        self._queue = self.make_queue()
        self._sampler = self.make_group_sampler()
        self.sample_source = self.make_sample_source()
        self._learners = LearnerCalls(
            self.learner_group, timeout_s=self.settings.learners.update_timeout_s
        )
        self._learner_scores = self.make_learner_scores()
        self._update_guard = self.make_update_guard()
        self._report: dict[str, dict[str, Any]] = {}
        self.last_batch: dict[str, Any] = {}
        reporting, model = self.settings.reporting, self.settings.model
        writer = TranscriptWriter(reporting.transcripts, model_path=model.model_path)
        self.callbacks.append(writer)
        self._weight_sync.push(self.policy_version)

    # ------------------------------------------------------------------ parts to override

    def make_crew(self) -> Crew:
        """Build the players of groups: the local EnvRunner, or the remote ones."""
        local, config = self.env_runner_group.local_env_runner, self.config
        if local is not None:
            return LocalCrew(local)
        return RemoteRunners(
            self.env_runner_group,
            silence_s=self.settings.env_runners.overdue_group_s,
            timeout_s=config.sample_timeout_s,
            gets_more=self._is_async or self.settings.credit.dynamic_sampling is not None,
            restore=self._restore,
            restore_timeout_s=(
                config.env_runner_restore_timeout_s if config.restart_failed_env_runners else 0.0
            ),
            resync=lambda runner: self._weight_sync.send_again(self.policy_version, [runner]),
        )

    def make_weight_sync(self) -> WeightSync:
        """Build the sender of new weights to the engines."""
        kind = InFlightWeightSync if self._is_async else WeightSync
        return kind(
            self.learner_group,
            self.env_runner_group,
            self._crew,
            transfer=self.settings.inference.weight_sync,
            silence_s=self.settings.env_runners.overdue_group_s,
            timeout_s=self.settings.inference.weight_sync_timeout_s,
        )

    def make_queue(self) -> GroupQueue | QueuePump:
        """Build the queue of groups for all EnvRunners; in asynchronous training it never rests."""
        queue = GroupQueue(
            self._crew,
            max_concurrent_episodes=self.settings.inference.max_concurrent_episodes,
            overdue_s=self.settings.env_runners.overdue_group_s,
            stuck_s=self.config.sample_timeout_s if self.config.num_env_runners else None,
        )
        return QueuePump(queue) if self._is_async else queue

    def make_group_sampler(self) -> GroupSampler:
        """Build the sampler of batches; in asynchronous training it plays the test tasks only."""
        queue = self._queue
        return GroupSampler(
            queue.open_lane(is_first=True) if isinstance(queue, QueuePump) else queue,
            max_lost_rate=self.settings.env_runners.max_lost_group_rate,
            dynamic=self.settings.credit.dynamic_sampling,
            tend=self._crew.tend,
        )

    def make_task_stream(self) -> TaskStream:
        """Build the sequence of training tasks."""
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
        """Build the source of each iteration's batch."""
        if not isinstance(self._queue, QueuePump):
            return SyncSource(self.make_task_stream(), self._sampler)
        return AsyncSource(
            self.make_task_stream(),
            self._queue,
            max_staleness=self.settings.asynchrony.max_staleness,
            dynamic=self.settings.credit.dynamic_sampling,
            max_lost_rate=self.settings.env_runners.max_lost_group_rate,
            tend=self._crew.tend,
        )

    def make_learner_scores(self) -> list[LearnerScores]:
        """Build the scores that the Learners compute before credit is assigned; often none."""
        return make_learner_scores(self.config, self._learners, self.spaces)

    def make_update_guard(self) -> UpdateGuard:
        """Build the watch over the updates, which ends a run that does not learn."""
        return UpdateGuard.from_config(self.config)

    def make_evaluation_tasks(self) -> EvaluationTasks:
        """Build the test tasks."""
        return EvaluationTasks.from_settings(self.config.evaluated().settings)

    # ------------------------------------------------------------------ one iteration

    @override(Algorithm)
    def training_step(self) -> None:
        """Sample groups of episodes, give each step its credit, update, and sync the weights."""
        self._report = {TIMERS: {}}
        with self._phase("sample"):
            result = self._sample()
        with self._engines_asleep():  # credit may compute values on the Learners
            with self._phase("credit"):
                rows = self._assign_credit(result)
            with self._phase("learn"):
                self._update(rows)
            with self._phase("sync"):
                self._hand_out_weights()

    def _sample(self) -> SampleResult:
        """Play the next tasks: whole groups of whole episodes."""
        result = self.sample_source.sample(
            self.settings.credit.num_groups, weight_version=self.policy_version
        )
        metrics = {
            **rollout_metrics(result),
            **staleness_metrics(result, weight_version=self.policy_version),
            **self.sample_source.metrics(),
        }
        self._report[ENV_RUNNER_RESULTS] = metrics
        self._report[WARNINGS] = self.sample_source.take_warnings()
        self._log_counts(metrics["num_env_steps"])
        self._aggregate_callback_metrics((ENV_RUNNER_RESULTS,), metrics, is_training=True)
        return result

    def _assign_credit(self, result: SampleResult) -> TokenRows:
        """Turn the whole batch into rows with advantages.

        Episodes -> returns -> anchor groups -> advantages -> token rows.
        """
        episodes = result.episodes
        scores = [score(episodes) for score in self._learner_scores]
        batch = self._credit(
            rl_module=None,
            batch={name: column for part in scores for name, column in part.items()},
            episodes=episodes,
            explore=True,
            shared_data={"iteration": self.iteration, "policy_version": self.policy_version},
        )
        self.last_batch = {**batch, "episodes": episodes}
        self._report[CREDIT_RESULTS] = batch[columns.CREDIT_METRICS]
        return batch[columns.TOKEN_ROWS]

    def _update(self, rows: TokenRows) -> None:
        """Train on the rows; the Learners share them, balanced by tokens."""
        results = self._learners.update(rows)
        metrics = self.metrics.peek_results(results[0])[DEFAULT_MODULE_ID]  # equal on all Learners
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        warning = self._update_guard.check(metrics, iteration=self.iteration + 1)
        if warning is not None:
            self._report[WARNINGS]["update"] = warning

    def _hand_out_weights(self) -> None:
        """Send the new weights to every engine, as the next policy version."""
        self.policy_version += 1
        self._weight_sync.push(self.policy_version)
        self._report[LEARNER_RESULTS] = self._weight_sync.metrics()

    # ------------------------------------------------------------------ evaluation

    @override(Algorithm)
    def evaluate(self, parallel_train_future: Any = None) -> dict[str, Any]:
        """Play the panel, or each fixed test task once, on the training engines.

        With ``custom_evaluation_function`` that function is called instead, with the Algorithm and
        its EnvRunners; it returns a dict of metrics and two numbers of steps.

        Returns:
            ``{"env_runners": ...}`` with the success rate, its 95 % interval, and a row per tag.
        """
        self._before_evaluate()
        self._call_back("on_evaluate_start")
        with self._phase("evaluate"):
            function = self.config.custom_evaluation_function
            if function:
                metrics = metrics_of_answer(function(self, self.env_runner_group))
            else:
                metrics = evaluation_metrics(self.play_test_tasks(), self.make_evaluation_tasks())
        place = (EVALUATION_RESULTS, ENV_RUNNER_RESULTS)
        self._aggregate_callback_metrics(place, metrics, is_training=False)
        logged = self.metrics.peek(EVALUATION_RESULTS, default={})
        self.metrics.delete(EVALUATION_RESULTS, key_error=False)  # the next one starts empty
        results = {**logged, ENV_RUNNER_RESULTS: {**logged.get(ENV_RUNNER_RESULTS, {}), **metrics}}
        self._call_back("on_evaluate_end", evaluation_metrics=results)
        return results

    def play_test_tasks(self) -> SampleResult:
        """Play each fixed test task, once for each decoding seed; see `make_evaluation_tasks`."""
        self._weight_sync.confirm()  # one version for all of them
        tasks = self.make_evaluation_tasks().group_tasks()
        return self._sampler.sample_fixed(tasks, weight_version=self.policy_version)

    @classmethod
    @override(Algorithm)
    def _should_create_evaluation_env_runners(cls, eval_config: Any) -> bool:
        """Return False: a second group of EnvRunners would hold a second copy of the model."""
        return False

    # ------------------------------------------------------------------ callbacks

    def _call_back(self, hook: str, **arguments: Any) -> None:
        functions = getattr(self.config, f"callbacks_{hook}")
        given = {"algorithm": self, "metrics_logger": self.metrics, **arguments}
        make_callback(hook, self.callbacks, functions, kwargs=given)

    def _aggregate_callback_metrics(
        self, place: tuple[str, ...], own: Mapping[str, Any], *, is_training: bool
    ) -> None:
        """Collect what callbacks logged in the EnvRunners; the result prefers our ``own`` names."""
        logged = metrics_of_hooks(
            self.config if is_training else self.config.evaluated(),
            self.env_runner_group,
            runner_ids=list(self._crew.answering()),
            is_training=is_training,
            timeout_s=self.settings.env_runners.overdue_group_s,
        )
        self.metrics.aggregate(logged, key=place)
        warning = warning_of_hidden_metrics(logged, own)
        if warning is not None:
            self._report.setdefault(WARNINGS, {})["callbacks"] = warning

    # ------------------------------------------------------------------ EnvRunners that restart

    def _restore(self) -> None:
        self._recreated(self.restore_env_runners(self.env_runner_group))

    def _recreated(self, runner_ids: list[int]) -> None:
        """Call on_env_runners_recreated; RLlib calls it itself at the start of an iteration."""
        if runner_ids:
            self._make_on_env_runners_recreated_callbacks(
                config=self.config,
                env_runner_group=self.env_runner_group,
                restored_env_runner_indices=runner_ids,
            )

    @override(Algorithm)
    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Restore dead EnvRunners and load the newest weights into their engines."""
        restored = super().restore_env_runners(env_runner_group)
        if restored:
            self._weight_sync.send_again(self.policy_version, restored)
            self._crew.returned(restored)
        return restored

    # ------------------------------------------------------------------ checkpoints

    @override(Algorithm)
    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return RLlib's state, the position of the sample source and the policy version.

        The seed and these numbers determine all other randomness.
        """
        state = super().get_state(components, not_components=not_components, **kwargs)
        state[_STATE] = {
            "sample_source": self.sample_source.get_state(),
            "policy_version": self.policy_version,
        }
        return state

    @override(Algorithm)
    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from the state that ``get_state`` returned."""
        super().set_state(state)
        if _STATE in state:
            self.sample_source.set_state(state[_STATE]["sample_source"])
            self.policy_version = state[_STATE]["policy_version"]
            self._weight_sync.push(self.policy_version)

    @override(Checkpointable)
    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Restore, then load the restored weights into every engine.

        Raises:
            CheckpointError: The checkpoint is not whole, or belongs to another model.
        """
        super().restore_from_path(path, *args, **kwargs)
        self._weight_sync.push(self.policy_version)

    # ------------------------------------------------------------------ environment

    @staticmethod
    @override(Algorithm)
    def _get_env_id_and_creator(env_specifier: Any, config: Any) -> tuple[Any, Any]:
        """Accept what RLlib does, and a function that makes an environment from ``env_config``."""
        if callable(env_specifier) and not isinstance(env_specifier, type):
            return env_specifier, env_specifier
        return Algorithm._get_env_id_and_creator(env_specifier, config)

    # ------------------------------------------------------------------ resources

    @classmethod
    @override(Algorithm)
    def default_resource_request(cls, config: Any) -> PlacementGroupFactory:
        """Add a bundle per environment worker to RLlib's; without one, a worker never starts."""
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
        """Time a phase and report it as ``timers/<name>_s``."""
        start = time.perf_counter()
        yield
        self._report.setdefault(TIMERS, {})[f"{name}_s"] = time.perf_counter() - start

    @contextmanager
    def _engines_asleep(self) -> Iterator[None]:
        """Put engines that share a GPU with the Learner to sleep, which frees its memory.

        The weight sync wakes only their weights; the KV cache returns when the block ends.
        """
        if not self.settings.inference.share_gpu:
            yield
            return
        on_engines = partial(
            self.env_runner_group.foreach_env_runner,
            remote_worker_ids=list(self._crew.answering()),
            timeout_seconds=self.settings.inference.engine_timeout_s,
        )
        on_engines(lambda runner: runner.module.engine.sleep())
        try:
            yield
        finally:
            on_engines(lambda runner: runner.module.engine.wake())

    def _log_counts(self, num_env_steps: int) -> None:
        kinds = {NUM_ENV_STEPS_SAMPLED: "sum", NUM_ENV_STEPS_SAMPLED_LIFETIME: "lifetime_sum"}
        for name, reduce in kinds.items():
            self.metrics.log_value((ENV_RUNNER_RESULTS, name), num_env_steps, reduce=reduce)

    @override(Algorithm)
    def _compile_iteration_results(self, *, train_results: Any, eval_results: Any) -> Any:
        """Add this iteration's exact numbers; RLlib's logger smooths over iterations.

        RLlib reports NaN for a metric that an earlier update had and this one lacks; drop it.
        """
        results = super()._compile_iteration_results(
            train_results=train_results, eval_results=eval_results
        )
        results[LEARNER_RESULTS] = without_nan(results.get(LEARNER_RESULTS, {}))
        for topic, values in self._report.items():
            results[topic] = {**results.get(topic, {}), **values}
        results["policy_version"] = self.policy_version
        return results

    @override(Algorithm)
    def cleanup(self) -> None:
        """Stop the local engine too; RLlib stops only remote EnvRunners."""
        local = self.env_runner_group.local_env_runner if self.env_runner_group else None
        self.sample_source.stop()
        self._crew.stop()
        super().cleanup()
        if local is not None:
            local.stop()


register_trainable("GiGPO", GiGPO)
