"""Learner -> engines: every EnvRunner confirms the new policy version before sampling starts.

Weights are a stream: the Learner gathers, casts and sends one tensor at a time, and an engine reads
one at a time. Between processes they travel in chunks, in the engine's dtype: the Learner and an
EnvRunner hold one chunk at a time, and Ray's object store holds all of them.
"""

from __future__ import annotations

import time
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
    """The sender of the Learner's weights to the engines of all EnvRunners; it waits for them.

    RLlib's ``sync_weights`` does not wait for EnvRunners and drops requests to busy ones. An
    EnvRunner that samples with old weights silently makes PPO's ratio wrong.
    """

    def __init__(
        self, learner_group: LearnerGroup, env_runner_group: EnvRunnerGroup, *, timeout_s: float
    ) -> None:
        """Connect both groups; ``timeout_s`` bounds every wait."""
        self._learner_group = learner_group
        self._env_runner_group = env_runner_group
        self._timeout_s = timeout_s

    def push(self, version: int) -> None:
        """Load the weights as policy version ``version`` into every healthy EnvRunner's engine.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the version in time, or the Learners did
                not export their weights. The message says which.
        """
        local_runner = self._env_runner_group.local_env_runner
        if local_runner is None:
            self._push_to_remote(self._chunks(), version)
        elif self._learner_group.is_local:
            load_weights(local_runner, self._learner_group._learner.export_weights(), version)
        else:
            load_weights(local_runner, stream(self._chunks()), version)

    def _chunks(self) -> list[ray.ObjectRef]:
        """Put the weights into Ray's object store, in chunks.

        All Learners take part, because a sharded model needs all of them to be gathered.
        """
        start = time.monotonic()
        results = self._learner_group.foreach_learner(put_weights, timeout_seconds=self._timeout_s)
        answers = [result.get() for result in results if result.ok]
        chunks = [reference for answer in answers for reference in answer]
        if not chunks:
            errors = [str(result.get()) for result in results if not result.ok]
            is_late = time.monotonic() - start >= self._timeout_s
            silence = f"none in {self._timeout_s:g} s" if is_late else "none is in service"
            cause = errors[0] if errors else silence
            raise WeightSyncError(f"The Learners did not export their weights: {cause}.")
        return chunks

    def _push_to_remote(self, chunks: Sequence[ray.ObjectRef], version: int) -> None:
        asked = self._env_runner_group.healthy_env_runner_ids()

        def load(env_runner: Any) -> tuple[int, int | str]:
            try:
                return env_runner.worker_index, load_weights(env_runner, stream(chunks), version)
            except EngineError as error:  # RLlib only logs a remote runner's exceptions
                return env_runner.worker_index, str(error)

        answers = dict(
            self._env_runner_group.foreach_env_runner(
                load,
                local_env_runner=False,
                remote_worker_ids=asked,
                timeout_seconds=self._timeout_s,
            )
        )
        # Runners that died in the meantime no longer sample; all others must confirm.
        missing = [
            index
            for index in self._env_runner_group.healthy_env_runner_ids()
            if answers.get(index) != version
        ]
        if missing:
            raise WeightSyncError(
                f"The Learner waited {self._timeout_s:g} s for EnvRunner(s) {missing} to load"
                f" policy version {version}; confirmed: {answers}. See the EnvRunners' logs,"
                " or raise config.inference(weight_sync_timeout_s=...)."
            )


def load_weights(env_runner: Any, weights: NamedTensors, version: int) -> int:
    """Load ``weights`` into an EnvRunner's engine, and return the version that it then has."""
    env_runner.set_state({COMPONENT_RL_MODULE: {WEIGHTS: weights, VERSION: version}})
    return env_runner.module.engine.weight_version


def put_weights(learner: Any) -> list[ray.ObjectRef]:
    """Put a Learner's exported weights into the object store, chunk by chunk."""
    return [ray.put(chunk) for chunk in chunked(learner.export_weights())]


def stream(chunks: Sequence[ray.ObjectRef]) -> Iterator[tuple[str, torch.Tensor]]:
    """Read chunks from the object store, one at a time."""
    for reference in chunks:
        yield from ray.get(reference)
