"""Learner -> engines: every EnvRunner confirms the new policy version before anybody samples."""

from __future__ import annotations

from typing import Any

import ray
import torch
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.errors import EngineError, WeightSyncError
from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS

NamedTensors = list[tuple[str, torch.Tensor]]


class WeightSync:
    """Sends the Learner's weights to the engines of all EnvRunners, and waits.

    RLlib's own ``sync_weights`` does not wait for the runners and drops requests to busy ones; a
    runner that samples old weights makes PPO's ratio wrong without a word.
    """

    def __init__(
        self, learner_group: LearnerGroup, env_runner_group: EnvRunnerGroup, *, timeout_s: float
    ) -> None:
        """Tie both groups together; ``timeout_s`` bounds every wait."""
        self._learner_group = learner_group
        self._env_runner_group = env_runner_group
        self._timeout_s = timeout_s

    def push(self, version: int) -> None:
        """Load the weights as policy version ``version`` into every healthy EnvRunner's engine.

        Raises:
            WeightSyncError: A runner did not confirm the version in time, or the Learner did not
                hand out its weights; says who waited for whom.
        """
        weights = self._export()
        if self._env_runner_group.local_env_runner is not None:
            load_weights(self._env_runner_group.local_env_runner, weights, version)
        else:
            self._push_to_remote(weights, version)

    def _export(self) -> NamedTensors | ray.ObjectRef:
        """The weights: tensors of a local Learner, a reference from a remote one."""
        if self._learner_group.is_local:
            return list(self._learner_group._learner.export_weights())
        results = self._learner_group.foreach_learner(
            _put_weights, remote_actor_ids=[0], timeout_seconds=self._timeout_s
        )
        answers = [result.get() for result in results if result.ok]
        if not answers:
            errors = [str(result.get()) for result in results] or [f"none in {self._timeout_s:g} s"]
            raise WeightSyncError(f"Learner 0 did not hand out its weights: {errors[0]}.")
        return answers[0][0]

    def _push_to_remote(self, weights: NamedTensors | ray.ObjectRef, version: int) -> None:
        reference = weights if isinstance(weights, ray.ObjectRef) else ray.put(weights)
        asked = self._env_runner_group.healthy_env_runner_ids()

        def load(env_runner: Any) -> tuple[int, int | str]:
            try:
                return env_runner.worker_index, load_weights(
                    env_runner, ray.get(reference), version
                )
            except EngineError as error:  # RLlib only logs what a remote runner raises
                return env_runner.worker_index, str(error)

        answers = dict(
            self._env_runner_group.foreach_env_runner(
                load,
                local_env_runner=False,
                remote_worker_ids=asked,
                timeout_seconds=self._timeout_s,
            )
        )
        # A runner that died meanwhile is no longer asked to sample; one that lives must confirm.
        missing = [
            index
            for index in self._env_runner_group.healthy_env_runner_ids()
            if answers.get(index) != version
        ]
        if missing:
            raise WeightSyncError(
                f"The Learner waited {self._timeout_s:g} s for EnvRunner(s) {missing} to load"
                f" policy version {version}; confirmed: {answers}. Look at the runners' logs,"
                " or raise config.inference(weight_sync_timeout_s=...)."
            )


def load_weights(env_runner: Any, weights: NamedTensors, version: int) -> int:
    """Load ``weights`` into one runner's engine; the version that it holds then."""
    env_runner.set_state({COMPONENT_RL_MODULE: {WEIGHTS: weights, VERSION: version}})
    return env_runner.module.engine.weight_version


def _put_weights(learner: Any) -> list[ray.ObjectRef]:
    """Put a remote Learner's weights into the object store; a list keeps the reference whole."""
    return [ray.put(list(learner.export_weights()))]
