"""The setting ``inference(weight_sync=...)``: whole weights each time, or what has changed.

Functions of a transfer run in three places: `put` in a Learner, `extended` where the sender is, and
`load` in an EnvRunner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rllib_gigpo.options.records import require
from rllib_gigpo.options.registry import Registry
from rllib_gigpo.weights.weight_update import WeightUpdate


class WeightTransfer(ABC):
    """How a version of the weights becomes an update, and an update an engine's weights."""

    name: ClassVar[str]

    @abstractmethod
    def put(
        self, learner: Any, *, version: int, serial: int, base: int | None
    ) -> WeightUpdate | None:
        """Put a Learner's weights into the object store; call it on all Learners.

        Args:
            learner: The Learner.
            version: The policy version.
            serial: The number of this update.
            base: The number of the last update; None to send whole tensors.

        Returns:
            The update; None from a Learner that exports nothing.
        """

    @abstractmethod
    def base_of(self, updates: Sequence[WeightUpdate]) -> int | None:
        """Return what the next update may start from, after these; None for whole tensors."""

    @abstractmethod
    def load(self, env_runner: Any, updates: Sequence[WeightUpdate]) -> int:
        """Load the last update into an EnvRunner's engine; return the version that it then has.

        Args:
            env_runner: The EnvRunner.
            updates: The last update with whole tensors, and the differences since.

        Raises:
            EngineError: The engine refuses the weights, or they are not what was sent.
        """


@dataclass(frozen=True, slots=True)
class FullTransfer(WeightTransfer):
    """Every update holds all weights."""

    name: ClassVar[str] = "full"

    def put(
        self, learner: Any, *, version: int, serial: int, base: int | None
    ) -> WeightUpdate | None:
        """Put all weights."""
        from rllib_gigpo.weights.delivery import put_in_store

        chunks, num_bytes = put_in_store(learner.export_weights())
        return WeightUpdate(version, serial, None, chunks, num_bytes) if chunks else None

    def base_of(self, updates: Sequence[WeightUpdate]) -> int | None:
        """Return None."""
        return None

    def load(self, env_runner: Any, updates: Sequence[WeightUpdate]) -> int:
        """Stream the chunks into the engine, one at a time."""
        from rllib_gigpo.weights.delivery import load_weights, stream

        return load_weights(env_runner, stream(updates[-1].chunks), updates[-1].version)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaTransfer(WeightTransfer):
    """An update holds only the elements that changed in the engine's type; it is bit-exact.

    Learner 0 and each EnvRunner keep a copy of the weights in the host's memory.

    Attributes:
        full_interval: Largest number of updates of which one holds all weights. Another one
            does as soon as the differences since the last are as many bytes.
    """

    name: ClassVar[str] = "delta"

    full_interval: int = 20

    def __post_init__(self) -> None:
        """Check that the number is in range."""
        require(self, full_interval=">= 1")

    def put(
        self, learner: Any, *, version: int, serial: int, base: int | None
    ) -> WeightUpdate | None:
        """Put the differences to what this Learner sent last."""
        from rllib_gigpo.weights.delivery import put_in_store
        from rllib_gigpo.weights.kept_weights import SentWeights

        sent: SentWeights = vars(learner).setdefault("sent_weights", SentWeights())
        start = base if base == sent.serial else None
        chunks, num_bytes = put_in_store(
            sent.changes(learner.export_weights(), is_full=start is None)
        )
        sent.serial = serial
        if not chunks:
            return None
        return WeightUpdate(version, serial, start, chunks, num_bytes, sent.checksum)

    def base_of(self, updates: Sequence[WeightUpdate]) -> int | None:
        """Return the last update, unless it is time for whole tensors."""
        if not 0 < len(updates) < self.full_interval:
            return None
        whole, *differences = updates
        # All of them stay in the object store, and whoever restarts reads all.
        is_short = sum(one.num_bytes for one in differences) < whole.num_bytes
        return updates[-1].serial if is_short else None

    def load(self, env_runner: Any, updates: Sequence[WeightUpdate]) -> int:
        """Bring the EnvRunner's copy up to date, and load all of it into the engine."""
        from rllib_gigpo.weights.delivery import load_weights
        from rllib_gigpo.weights.kept_weights import KeptWeights

        kept: KeptWeights = vars(env_runner).setdefault("kept_weights", KeptWeights())
        kept.follow(updates)
        return load_weights(env_runner, kept.tensors.items(), updates[-1].version)


TRANSFERS: Registry[WeightTransfer] = Registry(
    "weight_sync", WeightTransfer, [FullTransfer, DeltaTransfer]
)


def remote_transfer(weight_sync: WeightTransfer, num_env_runners: int) -> Iterator[str]:
    """Yield what is wrong if nothing travels between processes."""
    if isinstance(weight_sync, DeltaTransfer) and num_env_runners == 0:
        yield (
            "weight_sync='delta' saves bytes between processes, but with num_env_runners=0 the"
            " weights stay in this one; set env_runners(num_env_runners=1), or weight_sync='full'"
        )
