"""Learner -> engines: every EnvRunner confirms the new policy version before sampling starts.

Weights are a stream: the Learner gathers, casts and sends one tensor at a time, and an engine reads
one at a time. Between processes they travel in chunks, in the engine's dtype: the Learner and an
EnvRunner hold one chunk at a time, and Ray's object store holds all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ray
import torch
from ray.exceptions import RayError
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.errors import EngineError, WeightSyncError
from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS
from rllib_gigpo.weights.chunks import chunked

if TYPE_CHECKING:
    from rllib_gigpo.sampling.queue.crew import Crew

_WAIT_S = 1.0

NamedTensors = Iterable[tuple[str, torch.Tensor]]


class WeightSync:
    """The sender of the Learner's weights to the engines of all EnvRunners; it waits for them.

    RLlib's ``sync_weights`` does not wait for EnvRunners and drops requests to busy ones. An
    EnvRunner that samples with old weights silently makes PPO's ratio wrong.
    """

    def __init__(
        self,
        learner_group: LearnerGroup,
        env_runner_group: EnvRunnerGroup,
        crew: Crew,
        *,
        silence_s: float,
        timeout_s: float,
    ) -> None:
        """Connect both groups.

        Args:
            learner_group: The Learners.
            env_runner_group: The EnvRunners.
            crew: The EnvRunners as players.
            silence_s: Seconds after which an EnvRunner that does not confirm is passed over, if
                others do; it gets the weights when it answers again.
            timeout_s: Longest wait for the Learners, and for EnvRunners if none confirms.
        """
        self._learner_group = learner_group
        self._env_runner_group = env_runner_group
        self._crew = crew
        self._silence_s = silence_s
        self._timeout_s = timeout_s

    def push(self, version: int, runner_ids: Sequence[int] | None = None) -> None:
        """Load the weights as policy version ``version`` into the engines of EnvRunners.

        Args:
            version: The policy version.
            runner_ids: The remote EnvRunners to send to; None for all that answer. A local one
                always gets the weights.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the version in time, or the Learners did
                not export their weights. The message says which.
        """
        local_runner = self._env_runner_group.local_env_runner
        if local_runner is None:
            self._wait_for(self._send(self._chunks(), version, runner_ids), version)
        elif self._learner_group.is_local:
            load_weights(local_runner, self._learner_group._learner.export_weights(), version)
        else:
            load_weights(local_runner, stream(self._chunks()), version)

    def send_again(self, version: int, runner_ids: Sequence[int]) -> None:
        """Load the newest weights, which have version ``version``, into some EnvRunners' engines.

        Raises:
            WeightSyncError: See `push`.
        """
        self.push(version, runner_ids)

    def confirm(self) -> None:
        """Wait until the last weights are in all engines; `push` has done so."""

    def _send(
        self, chunks: Sequence[ray.ObjectRef], version: int, runner_ids: Sequence[int] | None
    ) -> dict[int, ray.ObjectRef]:
        """Send weights; return the confirmations to come, by EnvRunner."""
        load = load_or_say_why(chunks, version)
        actors = self._env_runner_group._worker_manager.actors()
        asked = self._crew.answering() if runner_ids is None else runner_ids
        return {runner_id: actors[runner_id].apply.remote(load) for runner_id in asked}

    def _wait_for(self, under_way: Mapping[int, ray.ObjectRef], version: int) -> None:
        """Wait for confirmations; EnvRunners that die or fall silent need not confirm.

        One whose engine cannot load the weights is restarted, if others can.

        Raises:
            WeightSyncError: None has loaded the version, or none confirmed in time.
        """
        start, waiting, answers = time.monotonic(), dict(under_way), dict[int, int | str | None]()
        while waiting:
            references = list(waiting.values())
            ready, _ = ray.wait(references, num_returns=len(references), timeout=_WAIT_S)
            for runner_id in [one for one, reference in waiting.items() if reference in ready]:
                answers[runner_id] = self._read(runner_id, waiting.pop(runner_id))
            waited_s = time.monotonic() - start
            others = set(self._crew.answering()) - waiting.keys()
            if waiting and others and waited_s > self._silence_s:
                for runner_id in waiting:
                    self._crew.pass_over(runner_id)
                break
            if waiting and waited_s > self._timeout_s:
                break
        failed = {one: answer for one, answer in answers.items() if answer not in (version, None)}
        if (failed and version not in answers.values()) or (waiting and not others):
            raise WeightSyncError(
                f"The Learner waited {waited_s:.0f} s for EnvRunner(s)"
                f" {sorted({*failed, *waiting})} to load policy version {version}; answers:"
                f" {answers}. See the EnvRunners' logs, or raise"
                " config.inference(weight_sync_timeout_s=...)."
            )
        for runner_id, answer in failed.items():
            message = f"EnvRunner {runner_id} did not load policy version {version}: {answer}"
            self._crew.end(runner_id, "engine", message)

    def _read(self, runner_id: int, reference: ray.ObjectRef) -> int | str | None:
        """Return the version that an EnvRunner confirms, or its error, or None if it died."""
        try:
            return ray.get(reference)
        except RayError:
            manager = self._env_runner_group._worker_manager
            manager.set_actor_state(runner_id, healthy=False)
            return None

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


def load_or_say_why(chunks: Sequence[ray.ObjectRef], version: int) -> Callable[[Any], int | str]:
    """Return a function that loads weights into an EnvRunner.

    It returns the version that the EnvRunner then has, or the engine's error: RLlib only logs a
    remote runner's exceptions, and ends the EnvRunner.
    """

    def load(env_runner: Any) -> int | str:
        try:
            return load_weights(env_runner, stream(chunks), version)
        except EngineError as error:
            return str(error)

    return load


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
