"""Train a toy run for thousands of iterations and watch what grows.

    make soak
    python benchmarks/soak.py --iterations 2000 [--async] [--figures]

A model of 0.1M parameters with the exact engine on one EnvRunner plays corridors whose steps fail
now and then; evaluation, transcripts and checkpoints are on, and the EnvRunner is killed every 400
iterations. Measured: resident memory of the driver and the EnvRunner, as a slope after iteration
200, the number of files, and the largest deviation of the fresh ratio from 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
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
WARM_UP = 200
KILL_EVERY, SAVE_EVERY, TELL_EVERY = 400, 100, 50
TARGET = "<= 10"  # KB an iteration


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
        .async_training(max_staleness=max_staleness)
        .evaluation(evaluation_interval=50)
        .reporting(transcripts={"interval": 10, "groups": 1})
        .debugging(seed=0)
    )


def slope_kb(values: Sequence[tuple[int, float]]) -> float:
    """Return the slope of memory over iterations after the warm-up, in KB an iteration."""
    late = np.array([one for one in values if one[0] > WARM_UP], dtype=float)
    return float(np.polyfit(late[:, 0], late[:, 1] / 1e3, 1)[0])


def main() -> None:
    """Train, print and write figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--async", dest="max_staleness", action="store_const", const=1, default=0)
    arguments = parser.parse_args()
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
        build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found = soak(make_config(folder, arguments.max_staleness), arguments.iterations, folder)
    ray.shutdown()
    print(json.dumps(found, indent=2))
    figures = [
        Figure(ISSUE, "soak_kb_per_iteration", found["driver_kb"], TARGET, arguments.iterations),
        Figure(ISSUE, "soak_kb_per_iteration/runner", found["runner_kb"], TARGET),
        Figure(ISSUE, "soak/max_ratio_deviation_fresh", found["ratio"], "<= 1e-4"),
        Figure(ISSUE, "soak/groups_lost", found["num_lost"]),
    ]
    if arguments.figures:
        write_figures(figures)


def soak(config: GiGPOConfig, num_iterations: int, folder: Path) -> dict[str, float]:
    """Train and return the slopes, the worst ratio and the number of lost groups."""
    algorithm = config.build_algo()
    driver, of_driver, of_runner = psutil.Process(), [], []
    worst, num_lost, start = 0.0, 0, time.monotonic()
    for iteration in range(1, num_iterations + 1):
        result = algorithm.train()
        worst = max(worst, result["learners"]["default_policy"]["max_ratio_deviation_fresh"])
        num_lost += result["env_runners"]["num_groups_lost"]
        if iteration % SAVE_EVERY == 0:
            algorithm.save_to_path(str(folder / "checkpoint"))
        if iteration % KILL_EVERY == 0:
            (actor,) = algorithm.env_runner_group._worker_manager.actors().values()
            ray.kill(actor, no_restart=False)
        elif iteration % TELL_EVERY == 0:
            of_driver.append((iteration, driver.memory_info().rss))
            of_runner.append((iteration, runner_memory(algorithm)))
            print(
                f"{iteration}: {time.monotonic() - start:.0f} s, driver"
                f" {of_driver[-1][1] / 1e6:.0f} MB, EnvRunner {of_runner[-1][1] / 1e6:.0f} MB,"
                f" ratio {worst:.1e}, lost {num_lost}",
                flush=True,
            )
    algorithm.stop()
    return {
        "driver_kb": slope_kb(of_driver),
        "runner_kb": slope_kb(of_runner),
        "ratio": worst,
        "num_lost": num_lost,
    }


def runner_memory(algorithm: Any) -> float:
    """Return the resident memory of the EnvRunner in bytes."""
    (rss,) = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: psutil.Process().memory_info().rss, local_env_runner=False
    )
    return float(rss)


if __name__ == "__main__":
    main()
