"""Checks the CPUs, GPUs and custom resources that a run asks Ray for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rllib_gigpo.errors import ConfigError

_OPTIONS = {"CPU": "num_cpus", "GPU": "num_gpus"}


def check_resources(request: Any) -> None:
    """Check that the cluster has all that a run needs to start; Ray would wait forever.

    Args:
        request: The PlacementGroupFactory of the run.

    Raises:
        ConfigError: The run asks for more of a resource than the cluster has, or one of its
            processes for more than any machine has.
    """
    import ray  # not needed to check settings

    if ray.util.get_current_placement_group() is not None:
        return  # Tune has reserved everything
    there = ray.cluster_resources()
    for kind, amount in request.required_resources.items():
        if amount > there.get(kind, 0):
            raise ConfigError(
                f"The run needs {amount:g} {_plural(kind)}, but Ray has {there.get(kind, 0):g}."
                f" {_cure(kind, amount)}"
            )
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for bundle in request.bundles:
        if not any(_fits(bundle, machine) for machine in machines):
            wanted = ", ".join(f"{amount:g} {_plural(kind)}" for kind, amount in bundle.items())
            raise ConfigError(
                f"A process of the run needs {wanted}, but no machine of the cluster has that many."
                " Lower what an EnvRunner or a Learner asks for."
            )


def _plural(kind: str) -> str:
    return f"{kind}s" if kind in _OPTIONS else f"of the resource {kind!r}"


def _cure(kind: str, amount: float) -> str:
    if kind not in _OPTIONS:
        return (
            "Lower custom_resources_per_env_runner, custom_resources_per_learner or"
            " custom_resources_for_main_process, or start a cluster that has it (`ray start --head"
            f" --resources='{{\"{kind}\": {amount:g}}}'`) and join it (`rllib train --ray-address"
            " auto`)."
        )
    return (
        "Lower num_env_runners, num_env_workers or num_learners, or let actors share"
        f" {kind}s: start Ray with {_OPTIONS[kind]}={math.ceil(amount)} (`rllib train"
        f" --ray-{_OPTIONS[kind].replace('_', '-')} {math.ceil(amount)}`)."
    )


def _fits(bundle: Mapping[str, float], machine: Mapping[str, float]) -> bool:
    return all(amount <= machine.get(kind, 0) for kind, amount in bundle.items())


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
