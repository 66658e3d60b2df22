"""Settings of the processes that run environments, and of reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from rllib_gigpo.learner.sharding.kinds import SHARDINGS, ShardingKind, shards
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.reports.transcript_settings import TranscriptSettings
from rllib_gigpo.resources import one_gpu
from rllib_gigpo.sampling.staleness import asynchrony


class EnvRunnerSection(Section):
    """Settings of `GiGPOConfig.env_runners`."""

    num_env_workers: NonNegativeInt = setting(0, "Actors per EnvRunner that run environments.")
    num_cpus_per_env_worker: NonNegativeFloat = setting(1, "CPUs that each worker reserves in Ray.")
    num_env_threads: NonNegativeInt | None = setting(None, "Threads for environments; None: auto.")
    overdue_group_s: PositiveFloat = setting(300.0, "Then others play a silent EnvRunner's groups.")
    max_lost_group_rate: float = setting(
        0.99, "Share of the last 100 groups that faults may cost; 1 never stops.", ge=0, le=1
    )


class AsyncSection(Section):
    """Settings of `GiGPOConfig.async_training`."""

    max_staleness: NonNegativeInt = setting(0, "Largest age of a token, in policy versions.")


class LearnerSection(Section):
    """Settings of `GiGPOConfig.learners`."""

    sharding: Annotated[ShardingKind, SHARDINGS] = setting("ddp", "How Learners share a model.")
    update_timeout_s: PositiveFloat = setting(3600, "Longest wait for a remote Learner.")
    prefix_sharing: Literal["auto"] | bool = setting("auto", "Compute shared prefixes once.")
    minibatch_by: Literal["auto", "group", "episode"] = setting("auto", "Unit of mini-batches.")


class ReportingSection(Section):
    """Settings of `GiGPOConfig.reporting`."""

    transcripts: TranscriptSettings = setting({}, "How often whole episodes are written to files.")


def environment(env: Any) -> Iterator[str]:
    """Check that there is an environment."""
    if env is None:
        yield "no environment is set; call .environment('module:Id-v0', env_config={...})"


CHECKS = (environment, one_gpu, asynchrony, shards)
