"""Learner -> engines: every EnvRunner confirms the new policy version before sampling starts.

Weights are a stream: the Learner gathers, casts and sends one tensor at a time, and an engine reads
one at a time. Between processes they travel in chunks, in the engine's dtype: the Learner and an
EnvRunner hold one chunk at a time, and Ray's object store holds all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.errors import EngineError, WeightSyncError
from rllib_gigpo.weights.delivery import load_weights
from rllib_gigpo.weights.transfers import WeightTransfer
from rllib_gigpo.weights.weight_update import WeightUpdate

if TYPE_CHECKING:
    from rllib_gigpo.sampling.queue.crew import Crew

_WAIT_S = 1.0


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
        transfer: WeightTransfer,
        silence_s: float,
        timeout_s: float,
    ) -> None:
        """Connect both groups.

        Args:
            learner_group: The Learners.
            env_runner_group: The EnvRunners.
            crew: The EnvRunners as players.
            transfer: What an update holds.
            silence_s: Seconds after which an EnvRunner that does not confirm is passed over, if
                others do; it gets the weights when it answers again.
            timeout_s: Longest wait for the Learners, and for EnvRunners if none confirms.
        """
        self._learner_group = learner_group
        self._env_runner_group = env_runner_group
        self._crew = crew
        self._transfer = transfer
        self._updates: list[WeightUpdate] = []  # the last one with whole tensors, and those since
        self._num_updates = 0
        self._metrics: dict[str, float] = {}
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
            self._wait_for(self._send(self._exported(version), runner_ids), version)
            if self._transfer.base_of(self._updates) is None:
                self._updates = []  # frees the object store
        elif self._learner_group.is_local:
            load_weights(local_runner, self._learner_group._learner.export_weights(), version)
        else:
            self._transfer.load(local_runner, self._exported(version))

    def send_again(self, version: int, runner_ids: Sequence[int]) -> None:
        """Load the newest weights, which have version ``version``, into some EnvRunners' engines.

        Raises:
            WeightSyncError: See `push`.
        """
        self.push(version, runner_ids)

    def confirm(self) -> None:
        """Wait until the last weights are in all engines; `push` has done so."""

    def metrics(self) -> dict[str, float]:
        """Return the bytes of the last update, and the share of them in one of all weights."""
        return self._metrics

    def _send(
        self, updates: Sequence[WeightUpdate], runner_ids: Sequence[int] | None
    ) -> dict[int, ray.ObjectRef]:
        """Send weights; return the confirmations to come, by EnvRunner."""
        load = load_or_say_why(self._transfer, updates)
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

    def _exported(self, version: int) -> list[WeightUpdate]:
        """Put the weights into Ray's object store, and return the updates that lead to them.

        All Learners take part, because a sharded model needs all of them to be gathered.
        """
        start = time.monotonic()
        self._num_updates += 1
        put = partial(
            self._transfer.put,
            version=version,
            serial=self._num_updates,
            base=self._transfer.base_of(self._updates),
        )
        results = self._learner_group.foreach_learner(put, timeout_seconds=self._timeout_s)
        answers = [result.get() for result in results if result.ok]
        update = next((answer for answer in answers if answer is not None), None)
        if update is None:
            errors = [str(result.get()) for result in results if not result.ok]
            is_late = time.monotonic() - start >= self._timeout_s
            silence = f"none in {self._timeout_s:g} s" if is_late else "none is in service"
            cause = errors[0] if errors else silence
            raise WeightSyncError(f"The Learners did not export their weights: {cause}.")
        self._updates = [update] if update.base is None else [*self._updates, update]
        self._metrics = {
            "weight_update_bytes": float(update.num_bytes),
            "weight_update_share": update.num_bytes / self._updates[0].num_bytes,
        }
        return self._updates


def load_or_say_why(
    transfer: WeightTransfer, updates: Sequence[WeightUpdate]
) -> Callable[[Any], int | str]:
    """Return a function that loads weights into an EnvRunner.

    It returns the version that the EnvRunner then has, or the engine's error: RLlib only logs a
    remote runner's exceptions, and ends the EnvRunner.
    """

    def load(env_runner: Any) -> int | str:
        try:
            return transfer.load(env_runner, updates)
        except EngineError as error:
            return str(error)

    return load
