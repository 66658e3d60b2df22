"""Time asynchronous training against training in turns.

    python benchmarks/async_training.py [--figures]

One EnvRunner with vLLM and a model of 2.6M parameters plays an environment whose steps take time;
the Learner has its own process, and both have one core. The latency is chosen so that sampling
takes 0.4 to 0.6 of an iteration in turns: ``--latency`` is the median of a step in seconds, and the
share is printed and written with the ratio. Blocks of iterations in turns and with a staleness of 1
alternate.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from figures import Figure, add_figures_option, write_figures
from rollout import WORDS, InstantEnv

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

ISSUE = 16
SIGMA = 0.5  # of the log-normal latency
MODEL = {"hidden_size": 256, "num_layers": 3, "num_heads": 4}
TARGET = "<= 0.65"


class LatencyEnv(InstantEnv):
    """An environment whose steps take a log-normal time; the action decides the reward."""

    def __init__(self, env_config: dict[str, Any]) -> None:
        """Read the median of the latency."""
        super().__init__(env_config)
        self._median_s = env_config["latency_s"]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict]:
        """Start the episode of ``seed``."""
        self._seed = seed or 0
        return super().reset(seed=seed)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """Sleep, then count the step."""
        rng = np.random.default_rng([self._seed, self._step])
        time.sleep(float(rng.lognormal(math.log(self._median_s), SIGMA)))
        text, _, is_over, is_cut, info = super().step(action)
        return text, float(len(action) % 2), is_over, is_cut, info


def make_model(folder: Path, **size: int) -> None:
    """Save a randomly initialized model."""
    tokenizer = build_tokenizer([" ".join(WORDS)] * 8, vocab_size=1024)
    build_model(tokenizer, max_position_embeddings=1024, seed=0, **size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_config(folder: Path, latency_s: float, max_staleness: int) -> GiGPOConfig:
    """Make a run on one remote EnvRunner, whose episodes wait in threads."""
    return (
        GiGPOConfig()
        .environment(LatencyEnv, env_config={"num_steps": 8, "latency_s": latency_s})
        .llm(model_path=str(folder), max_prompt_tokens=256, max_response_tokens=5)
        .prompting(template="{{ observation }}", action_tag=None, think_tag=None, history_length=0)
        .training(group_size=8, num_groups=8, num_minibatches=4, lr=1e-5, kl_coeff=0.0)
        .env_runners(num_env_runners=1, num_env_threads=64)
        .learners(num_learners=1)
        .async_training(max_staleness=max_staleness)
        .reporting(transcripts={"interval": 0})
        .debugging(seed=0)
    )


def measure_block(config: GiGPOConfig, num_iterations: int) -> list[dict[str, float]]:
    """Train and return seconds of each iteration and its sampling, after two to warm up."""
    algorithm = config.build_algo()
    rows = []
    for _ in range(num_iterations + 2):
        start = time.perf_counter()
        result = algorithm.train()
        rows.append(
            {
                "iteration_s": time.perf_counter() - start,
                "sample_s": result["timers"]["sample_s"],
                "stale_token_share": result["env_runners"]["stale_token_share"],
                "num_groups_stale": result["env_runners"]["num_groups_stale"],
            }
        )
    algorithm.stop()
    return rows[2:]


def mean(rows: Sequence[dict[str, float]], name: str) -> float:
    """Return the mean of a column."""
    return statistics.fmean(row[name] for row in rows)


def main() -> None:
    """Measure, print and write figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    ratios, shares, stale = [], [], []
    with tempfile.TemporaryDirectory() as name:
        make_model(Path(name), **MODEL)
        ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
        for _ in range(arguments.repeats):
            blocks = [
                measure_block(make_config(Path(name), arguments.latency, k), arguments.iterations)
                for k in (0, 1)
            ]
            in_turns, ahead = (mean(block, "iteration_s") for block in blocks)
            ratios.append(ahead / in_turns)
            shares.append(mean(blocks[0], "sample_s") / in_turns)
            stale.append(mean(blocks[1], "stale_token_share"))
            print(
                f"in turns {in_turns:.2f} s (sampling {shares[-1]:.0%}), staleness 1 {ahead:.2f} s,"
                f" ratio {ratios[-1]:.2f}, stale tokens {stale[-1]:.0%}"
            )
        ray.shutdown()
    figures = [
        Figure(ISSUE, "async_over_sync", statistics.median(ratios), TARGET, n=len(ratios)),
        Figure(ISSUE, "async_over_sync/min", min(ratios), n=len(ratios)),
        Figure(ISSUE, "async_over_sync/max", max(ratios), n=len(ratios)),
        Figure(ISSUE, "async_over_sync/sampling_share", statistics.median(shares), n=len(shares)),
        Figure(ISSUE, "async_over_sync/stale_tokens", statistics.median(stale), n=len(stale)),
    ]
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3g} {figure.target or ''}")
    if arguments.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()
