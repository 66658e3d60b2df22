"""Checks the CPUs and GPUs that a run asks Ray for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ray

from rllib_gigpo.errors import ConfigError


def check_resources(request: Any) -> None:
    """Check that the cluster has the CPUs and GPUs that a run needs to start.

    Args:
        request: The PlacementGroupFactory of the run.

    Raises:
        ConfigError: The run asks for more CPUs or GPUs than the cluster has.
    """
    if ray.util.get_current_placement_group() is not None:
        return  # Tune has reserved everything
    wanted, there = request.required_resources, ray.cluster_resources()
    for kind, option in (("CPU", "num_cpus"), ("GPU", "num_gpus")):
        if wanted.get(kind, 0) > there.get(kind, 0):
            raise ConfigError(
                f"The run needs {wanted[kind]:g} {kind}s, but Ray has {there.get(kind, 0):g}."
                " Lower num_env_runners, num_env_workers or num_learners, or let actors share"
                f" {kind}s: start Ray with {option}={math.ceil(wanted[kind])} (`rllib train"
                f" --ray-{option.replace('_', '-')} {math.ceil(wanted[kind])}`)."
            )


def one_gpu(
    num_env_runners: int, num_learners: int, num_gpus_per_learner: float, share_gpu: bool
) -> Iterator[str]:
    """Yield the mistakes in how an engine and the Learners use GPUs."""
    if share_gpu and num_gpus_per_learner == 0:
        yield "share_gpu=True needs learners(num_gpus_per_learner=...) to be a fraction of one GPU"
    if num_env_runners > 0 or num_gpus_per_learner == 0:
        return
    if num_learners > 0:
        yield (
            "num_env_runners=0 with remote Learners puts the engine on a GPU that Ray does not"
            " count; set env_runners(num_env_runners=1, num_gpus_per_env_runner=1)"
        )
    elif not share_gpu:
        yield (
            "num_env_runners=0 and num_learners=0 put the engine and the Learner on one GPU; set"
            " inference(share_gpu=True), or env_runners(num_env_runners=1)"
        )
