"""Measure sharded Learners (FSDP2) on Gloo processes: their memory in an export, and their speed.

    python benchmarks/sharded_learners.py memory models/smollm2 [--figures]
    python benchmarks/sharded_learners.py speed [--figures]

``memory``: 2 and 4 Learners hold SmolLM2 in float32 and export it in that type. The ratio compares
the peak of Learner 0, its shards plus what the export adds, with its shards plus the largest group
(embedding or layer) in float32.
``speed``: tokens/s of two Learners with shards over that of two with copies, updates in turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import ray
from figures import Figure, add_figures_option, write_figures
from learner import make_rows
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from rollout import make_model

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.learner.learner_calls import LearnerCalls

# The rows of an update, as `learner.make_rows` draws them.
ROWS = {
    "rows": 64,
    "vocab": 256,
    "prompt_tokens": 96,
    "prompt_tokens_std": 16,
    "response_tokens": 16,
    "minibatches": 2,
    "seed": 0,
}


def make_group(folder: str, num_learners: int, sharding: str, **training: Any) -> LearnerGroup:
    """Start remote Learners with one thread each."""
    config = (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0")
        .llm(model_path=folder, max_prompt_tokens=128, max_response_tokens=32)
        .training(kl_coeff=0.0, **training)
        .learners(num_learners=num_learners, num_cpus_per_learner=1, sharding=sharding)
        .learners(prefix_sharing=False)
    )
    spec = config.get_default_rl_module_spec()
    spec.observation_space = spec.action_space = gymnasium.spaces.Text(1)
    return LearnerGroup(
        config=config, module_spec=MultiRLModuleSpec(rl_module_specs={DEFAULT_MODULE_ID: spec})
    )


def export_memory(learner: Any) -> dict[str, int]:
    """Export once, dropping each tensor; return the bytes of shards, groups and growth."""
    import torch

    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    layers = [sum(p.numel() * 4 for p in layer.parameters()) for layer in module.model.model.layers]
    embedding = module.model.get_input_embeddings().weight
    for _ in learner.export_weights():  # what the allocator takes the first time is not counted
        pass
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak

    def resident(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])

    before = resident("VmRSS")
    dtypes = {tensor.dtype for _, tensor in learner.export_weights()}
    assert dtypes <= {torch.float32}
    return {
        "rank": learner.sharding.rank,
        "shards": sum(p.to_local().nbytes for p in module.parameters()),
        "largest": max(*layers, embedding.numel() * 4),
        "growth": max(0, resident("VmHWM") - before),
    }


def measure_memory(folder: str, num_learners: int) -> float:
    """Return the ratio of Learner 0."""
    group = make_group(folder, num_learners, "fsdp2")
    found = [result.get() for result in group.foreach_learner(export_memory)]
    group.shutdown()
    (first,) = (one for one in found if one["rank"] == 0)
    ratio = (first["shards"] + first["growth"]) / (first["shards"] + first["largest"])
    print({name: f"{value / 1e6:.0f} MB" for name, value in first.items()}, f"ratio {ratio:.2f}")
    return ratio


def measure_speed(args: argparse.Namespace) -> list[float]:
    """Return the ratio of tokens/s in each round."""
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), args.model)
        rows = make_rows(args)
        groups = {
            kind: make_group(
                folder, 2, kind, num_minibatches=2, micro_batch_tokens=args.micro_batch_tokens
            )
            for kind in ("ddp", "fsdp2")
        }
        calls = {kind: LearnerCalls(group, timeout_s=600.0) for kind, group in groups.items()}
        ratios = []
        for number in range(args.runs + 1):
            seconds = {}
            for kind, one in calls.items():
                start = time.perf_counter()
                one.update(rows)
                seconds[kind] = time.perf_counter() - start
            if number:  # the first round warms up
                ratios.append(seconds["ddp"] / seconds["fsdp2"])
                print({kind: f"{value:.2f} s" for kind, value in seconds.items()})
        for group in groups.values():
            group.shutdown()
    return ratios


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    memory, speed = parts.add_parser("memory"), parts.add_parser("speed")
    memory.add_argument("folder", help="folder of SmolLM2, see `rllib import-model`")
    speed.add_argument("--model", default="50m", help="a size of rollout.py")
    speed.add_argument("--runs", type=int, default=5)
    for name, value in ROWS.items():
        speed.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    speed.add_argument("--micro-batch-tokens", type=int, default=1024)
    for part in (memory, speed):
        add_figures_option(part)
    args = parser.parse_args()
    ray.init("local", num_cpus=6, log_to_driver=False, include_dashboard=False)
    if args.part == "memory":
        figures = [
            Figure(18, f"export_peak_ratio_{n}", measure_memory(args.folder, n), "<= 1")
            for n in (2, 4)
        ]
    else:
        ratios = measure_speed(args)
        figures = [Figure(18, "fsdp2_over_ddp", statistics.median(ratios), None, len(ratios))]
    print({figure.name: round(figure.value, 3) for figure in figures})
    if args.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()
