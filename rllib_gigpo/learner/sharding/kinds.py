"""The setting ``learners(sharding=...)``: how several Learners share a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rllib_gigpo.options.registry import Registry

if TYPE_CHECKING:
    from rllib_gigpo.learner.sharding.sharding import Sharding


class ShardingKind(ABC):
    """How several Learners share a model."""

    name: ClassVar[str]

    @abstractmethod
    def build(self, config: Any) -> Sharding:
        """Return the sharding for several Learners of a config."""


@dataclass(frozen=True, slots=True)
class DDPKind(ShardingKind):
    """A copy of the model on each Learner, with averaged gradients."""

    name: ClassVar[str] = "ddp"

    def build(self, config: Any) -> Sharding:
        """Return the sharding."""
        from rllib_gigpo.learner.sharding.ddp import DDP

        return DDP(
            world_size=config.num_learners,
            ddp_kwargs=config.torch_ddp_kwargs,
            timeout_s=config.settings.learners.update_timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FSDP2Kind(ShardingKind):
    """A part of each tensor on each Learner (torch's ``fully_shard``).

    Attributes:
        cpu_offload: Whether the shards, their gradients and moments are in the host's memory; a
            layer travels to the GPU when it is needed.
    """

    name: ClassVar[str] = "fsdp2"

    cpu_offload: bool = False

    def build(self, config: Any) -> Sharding:
        """Return the sharding."""
        from rllib_gigpo.learner.sharding.fsdp2 import FSDP2

        return FSDP2(
            world_size=config.num_learners,
            cpu_offload=self.cpu_offload,
            timeout_s=config.settings.learners.update_timeout_s,
        )


SHARDINGS: Registry[ShardingKind] = Registry("sharding", ShardingKind, [DDPKind, FSDP2Kind])


def make_sharding(config: Any) -> Sharding:
    """Return the sharding for a config: one Learner has the whole model."""
    if config.num_learners <= 1:
        from rllib_gigpo.learner.sharding.single import Single

        return Single()
    return config.settings.learners.sharding.build(config)


def shards(sharding: ShardingKind, num_learners: int) -> Iterator[str]:
    """Yield what is wrong if a model is to be sharded over a single Learner."""
    if isinstance(sharding, FSDP2Kind) and num_learners < 2:
        yield (
            f"sharding='fsdp2' spreads the model over several Learners, but {num_learners=}; set"
            " learners(num_learners=2) or more, or sharding='ddp'"
        )
