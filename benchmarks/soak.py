"""Train a toy run for thousands of iterations and watch what grows.

    make soak
    python benchmarks/soak.py [--iterations 2000] [--async] [--figures]

A model of 0.1M parameters with the exact engine on one EnvRunner plays corridors whose steps fail
now and then. Evaluation, transcripts and checkpoints are on, and the EnvRunner is killed after each
of the first four tenths of the run. Measured: resident memory of the driver, the Learner and the
last EnvRunner, as a slope after each process's warm-up; open files; files on the disk; and the
largest deviation of the fresh ratio from 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from figures import Figure, add_figures_option, write_figures

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

ISSUE = 16
WARM_UP = 200  # iterations
NUM_KILLS = 4
SAVE_EVERY, TELL_EVERY, TRANSCRIPT_EVERY = 100, 20, 10
TARGETS = {
    "soak_kb_per_iteration": "<= 10",  # of the process that grows most
    "soak/open_files_per_iteration": "<= 0.01",
    "soak/files_per_iteration": f"<= {1 / TRANSCRIPT_EVERY}",
    "soak/max_ratio_deviation_fresh": "<= 1e-4",
}

Points = list[tuple[int, float]]


class FaultyCorridor(CorridorEnv):
    """A corridor in which one step in a thousand fails."""

    def __init__(self, env_config: Any) -> None:
        """Make a corridor of length 3."""
        super().__init__(length=3, max_steps=6)
        self._rng = np.random.default_rng(0)

    def step(self, action: Any) -> Any:
        """Fail now and then."""
        if self._rng.random() < 0.001:
            raise OSError("the corridor is closed")
        return super().step(action)


def make_config(folder: Path, max_staleness: int) -> GiGPOConfig:
    """Make the toy run."""
    return (
        GiGPOConfig()
        .environment(FaultyCorridor, env_config={})
        .llm(model_path=str(folder), max_prompt_tokens=128, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .inference(engine="transformers")
        .tasks(num_train_tasks=64, num_test_tasks=4, max_episode_steps=6)
        .training(group_size=2, num_groups=2, num_minibatches=1, lr=1e-5, kl_coeff=0.0)
        .env_runners(num_env_runners=1)
        .learners(num_learners=1)
        .async_training(max_staleness=max_staleness)
        .evaluation(evaluation_interval=50)
        .reporting(transcripts={"interval": TRANSCRIPT_EVERY, "groups": 1})
        .debugging(seed=0)
    )


def main() -> None:
    """Train, print and write figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--async", dest="max_staleness", action="store_const", const=1, default=0)
    arguments = parser.parse_args()
    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
        build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        values = soak(make_config(folder, arguments.max_staleness), arguments.iterations, folder)
    ray.shutdown()
    print(json.dumps(values, indent=2))
    prefix = "asynchronous/" if arguments.max_staleness else ""
    figures = [
        Figure(ISSUE, prefix + name, value, TARGETS.get(name), n=arguments.iterations)
        for name, value in values.items()
    ]
    if arguments.figures:
        write_figures(figures)


def soak(config: GiGPOConfig, num_iterations: int, folder: Path) -> dict[str, float]:
    """Train, and return the figures by name."""
    algorithm = config.build_algo()
    points = defaultdict[str, Points](list)
    kills = {share * num_iterations // 10 for share in range(1, NUM_KILLS + 1)}
    worst, num_lost, num_moved, start = 0.0, 0, 0, time.monotonic()
    for iteration in range(1, num_iterations + 1):
        result = algorithm.train()
        learned = result["learners"]["default_policy"]
        worst = max(worst, learned.get("max_ratio_deviation_fresh", 0.0))  # may lack fresh rows
        num_lost += result["env_runners"]["num_groups_lost"]
        num_moved += result["env_runners"]["num_groups_moved"]
        if iteration % SAVE_EVERY == 0:
            algorithm.save_to_path(str(folder / "checkpoint"))
        if iteration in kills:
            (actor,) = algorithm.env_runner_group._worker_manager.actors().values()
            ray.kill(actor, no_restart=False)
        elif iteration % TELL_EVERY == 0:
            now = measure(algorithm, folder)
            for name, value in now.items():
                points[name].append((iteration, value))
            told = "  ".join(f"{name} {value:,.0f}" for name, value in now.items())
            print(
                f"{iteration}: {time.monotonic() - start:.0f} s  {told}  ratio {worst:.1e}"
                f"  lost {num_lost}  moved {num_moved}",
                flush=True,
            )
    algorithm.stop()
    slopes = slopes_after_warm_up(points, max(kills))
    return {
        "soak_kb_per_iteration": max(
            slopes[f"{one}_kb"] for one in ("driver", "learner", "runner")
        ),
        "soak/driver_kb_per_iteration": slopes["driver_kb"],
        "soak/learner_kb_per_iteration": slopes["learner_kb"],
        "soak/runner_kb_per_iteration": slopes["runner_kb"],
        "soak/open_files_per_iteration": slopes["open_files"],
        "soak/files_per_iteration": slopes["files"],
        "soak/max_ratio_deviation_fresh": worst,
        "soak/groups_lost": num_lost,
        "soak/groups_moved": num_moved,
        "soak/minutes": (time.monotonic() - start) / 60,
    }


def measure(algorithm: Any, folder: Path) -> dict[str, float]:
    """Return the memory of the processes in KB, and the numbers of files."""

    def memory_kb(part: Any) -> float:
        return psutil.Process().memory_info().rss / 1e3

    (runner,) = algorithm.env_runner_group.foreach_env_runner(memory_kb, local_env_runner=False)
    (learner,) = algorithm.learner_group.foreach_learner(memory_kb)
    return {
        "driver_kb": memory_kb(None),
        "learner_kb": learner.get(),
        "runner_kb": runner,
        "open_files": psutil.Process().num_fds(),
        "files": sum(
            path.is_file()
            for place in (algorithm.logdir, folder)
            for path in Path(place).rglob("*")
        ),
    }


def slopes_after_warm_up(points: dict[str, Points], last_kill: int) -> dict[str, float]:
    """Return the slopes by name; the last EnvRunner started after the last kill."""
    started = dict.fromkeys(points, 0) | {"runner_kb": last_kill}
    return {name: slope(points[name], started[name] + WARM_UP) for name in points}


def slope(points: Points, first: int) -> float:
    """Return the slope over the iterations after ``first``."""
    late = np.array([point for point in points if point[0] > first], dtype=float)
    return float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) if len(late) > 1 else 0.0


if __name__ == "__main__":
    main()
