"""Learner -> engines: every EnvRunner confirms the new policy version before anybody samples.

Weights are a stream: the Learner gathers, casts and hands on one tensor after the other, and an
engine reads them one after the other. Between processes they travel in chunks: Learner and runner
hold one chunk at a time, and Ray's object store all of them, in the engine's type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ray
import torch
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.errors import EngineError, WeightSyncError
from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS
from rllib_gigpo.weights.chunks import chunked

NamedTensors = Iterable[tuple[str, torch.Tensor]]


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
            WeightSyncError: A runner did not confirm the version in time, or the Learners did not
                hand out the weights; says who waited for whom.
        """
        local_runner = self._env_runner_group.local_env_runner
        if local_runner is None:
            self._push_to_remote(self._chunks(), version)
        elif self._learner_group.is_local:
            load_weights(local_runner, self._learner_group._learner.export_weights(), version)
        else:
            load_weights(local_runner, stream(self._chunks()), version)

    def _chunks(self) -> list[ray.ObjectRef]:
        """The weights in Ray's object store, in chunks.

        All Learners are asked, because a sharded model is gathered by all of them.
        """
        results = self._learner_group.foreach_learner(put_weights, timeout_seconds=self._timeout_s)
        answers = [result.get() for result in results if result.ok]
        chunks = [reference for answer in answers for reference in answer]
        if not chunks:
            errors = [str(result.get()) for result in results if not result.ok]
            cause = errors[0] if errors else f"none in {self._timeout_s:g} s"
            raise WeightSyncError(f"The Learners did not hand out their weights: {cause}.")
        return chunks

    def _push_to_remote(self, chunks: Sequence[ray.ObjectRef], version: int) -> None:
        asked = self._env_runner_group.healthy_env_runner_ids()

        def load(env_runner: Any) -> tuple[int, int | str]:
            try:
                return env_runner.worker_index, load_weights(env_runner, stream(chunks), version)
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


def put_weights(learner: Any) -> list[ray.ObjectRef]:
    """Put what a Learner exports into the object store, chunk after chunk."""
    return [ray.put(chunk) for chunk in chunked(learner.export_weights())]


def stream(chunks: Sequence[ray.ObjectRef]) -> Iterator[tuple[str, torch.Tensor]]:
    """Read chunks out of the object store, one at a time."""
    for reference in chunks:
        yield from ray.get(reference)
