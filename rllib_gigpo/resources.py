"""What a run asks of Ray, and whether there is as much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ray

from rllib_gigpo.errors import ConfigError


def check_resources(request: Any) -> None:
    """Refuse a run whose actors would never start, because the cluster has no room for them.

    Args:
        request: Tune's PlacementGroupFactory of the run.

    Raises:
        ConfigError: The run asks for more CPUs or GPUs than there are.
    """
    if ray.util.get_current_placement_group() is not None:
        return  # Tune has reserved everything
    wanted, there = request.required_resources, ray.cluster_resources()
    for kind, option in (("CPU", "num_cpus"), ("GPU", "num_gpus")):
        if wanted.get(kind, 0) > there.get(kind, 0):
            raise ConfigError(
                f"The run asks Ray for {wanted[kind]:g} {kind}s and it has {there.get(kind, 0):g}:"
                " lower num_env_runners, num_env_workers or num_learners, or let actors share what"
                f" there is: start Ray with {option}={math.ceil(wanted[kind])} (`rllib train"
                f" --ray-{option.replace('_', '-')} {math.ceil(wanted[kind])}`)"
            )


def one_gpu(
    num_env_runners: int, num_learners: int, num_gpus_per_learner: float, share_gpu: bool
) -> Iterator[str]:
    """Say where an engine would be on a GPU that nobody counts."""
    if share_gpu and num_gpus_per_learner == 0:
        yield "share_gpu=True needs learners(num_gpus_per_learner=...), a fraction of one GPU"
    if num_env_runners > 0 or num_gpus_per_learner == 0:
        return
    if num_learners > 0:
        yield (
            "num_env_runners=0 puts the engine on a GPU that Ray does not know of, beside remote"
            " Learners: set env_runners(num_env_runners=1, num_gpus_per_env_runner=1)"
        )
    elif not share_gpu:
        yield (
            "num_env_runners=0 and num_learners=0 put engine and Learner on one GPU: set"
            " inference(share_gpu=True), or env_runners(num_env_runners=1)"
        )
