"""Predict the time of an iteration by phase, check it here, and simulate up to 64 EnvRunners.

    python benchmarks/iteration_model.py [--figures]

The model. An EnvRunner moves its b episodes together: one step takes A + B·b seconds (launches and
scheduling; tokens). It takes the next group from one queue when it has room. Credit and update take
seconds in proportion to the environment steps of the batch, the weights a fixed time, and phases
follow each other. The lengths of the episodes are given.

The check. The constants are fitted to batches of two sizes with one EnvRunner; another size and two
EnvRunners are predicted and measured.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray
from figures import Figure, add_figures_option, write_figures
from rollout import make_model

from rllib_gigpo import GiGPOConfig

GROUP_SIZE = 4
MAX_STEPS = 12
FITTED = (4, 16)  # groups of the two batches that A and B come from
CHECKED = ((1, 8), (2, 8), (2, 16))  # EnvRunners, groups
SCALES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Costs:
    """The constants of the model.

    Attributes:
        step_s: A, seconds of a step of any number of episodes.
        episode_step_s: B, more seconds for each episode.
        learn_step_s: Seconds of credit and update for each environment step of the batch.
        sync_s: Seconds of the weight transfer.
    """

    step_s: float
    episode_step_s: float
    learn_step_s: float = 0.0
    sync_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A measured iteration: seconds by phase, and the length of each episode by group."""

    num_runners: int
    lengths: list[list[int]]
    sample_s: float
    learn_s: float
    sync_s: float

    @property
    def num_steps(self) -> int:
        """Environment steps of all episodes."""
        return sum(map(sum, self.lengths))


def sampling_s(groups: Sequence[Sequence[int]], num_runners: int, costs: Costs) -> float:
    """Return the seconds in which EnvRunners play groups of episodes with known lengths.

    Args:
        groups: Lengths of the episodes of each group, in the order of the queue.
        num_runners: Number of EnvRunners.
        costs: The constants.
    """
    queue = list(reversed(groups))
    room = -(-sum(map(len, groups)) // num_runners)  # episodes that one plays at a time
    clocks = [(0.0, runner) for runner in range(num_runners)]
    playing: list[list[int]] = [[] for _ in range(num_runners)]
    end = 0.0
    while clocks:
        clock, runner = heapq.heappop(clocks)
        active = playing[runner]
        while queue and (not active or len(active) + len(queue[-1]) <= room):
            active.extend(queue.pop())
        if not active:
            end = max(end, clock)
            continue
        clock += costs.step_s + costs.episode_step_s * len(active)
        playing[runner] = [left - 1 for left in active if left > 1]
        heapq.heappush(clocks, (clock, runner))
    return end


def measure(folder: str, num_runners: int, num_groups: int, *, rounds: int = 5) -> list[Batch]:
    """Train for some iterations after one to warm up, and return what each took."""
    config = (
        GiGPOConfig()
        .environment(
            "rllib_gigpo.envs:Corridor-v0", env_config={"length": 6, "max_steps": MAX_STEPS}
        )
        .llm(model_path=folder, max_prompt_tokens=256, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .tasks(num_train_tasks=64, num_test_tasks=2, max_episode_steps=MAX_STEPS)
        .training(group_size=GROUP_SIZE, num_groups=num_groups, num_minibatches=1, kl_coeff=0.0)
        .training(lr=1e-6)
        .env_runners(num_env_runners=num_runners, num_cpus_per_env_runner=1, num_env_threads=0)
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    batches = []
    for number in range(rounds + 1):
        timers = algorithm.train()["timers"]
        by_group: dict[object, list[int]] = {}
        for episode in algorithm.last_batch["episodes"]:
            by_group.setdefault(episode.custom_data["group_id"], []).append(len(episode))
        if number:
            learn_s = timers["credit_s"] + timers["learn_s"]
            batches.append(
                Batch(
                    num_runners,
                    list(by_group.values()),
                    timers["sample_s"],
                    learn_s,
                    timers["sync_s"],
                )
            )
    algorithm.stop()
    return batches


def fitted(batches: Sequence[Batch]) -> Costs:
    """Return the constants that suit batches of one EnvRunner best (least squares)."""
    rows = []
    for batch in batches:
        lengths = [length for group in batch.lengths for length in group]
        rows.append((max(lengths), sum(lengths)))
    sampled = np.array([batch.sample_s for batch in batches])
    (step_s, episode_step_s), *_ = np.linalg.lstsq(np.array(rows, float), sampled, rcond=None)
    learned = statistics.median(batch.learn_s / batch.num_steps for batch in batches)
    synced = statistics.median(batch.sync_s for batch in batches)
    return Costs(float(step_s), float(episode_step_s), learned, synced)


def predicted(batch: Batch, costs: Costs) -> float:
    """Return the seconds of an iteration."""
    sample_s = sampling_s(batch.lengths, batch.num_runners, costs)
    return sample_s + costs.learn_step_s * batch.num_steps + costs.sync_s


def simulated(costs: Costs, num_groups: int, *, seed: int = 0) -> dict[int, float]:
    """Return how many times as fast sampling is with 1 to 64 EnvRunners, one core or GPU each."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(MAX_STEPS // 2, MAX_STEPS + 1, (num_groups, GROUP_SIZE)).tolist()
    alone = sampling_s(groups, 1, costs)
    return {scale: alone / sampling_s(groups, scale, costs) for scale in SCALES}


def main() -> None:
    """Fit, check and simulate."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_figures_option(parser)
    args = parser.parse_args()
    ray.init("local", num_cpus=4, log_to_driver=False, include_dashboard=False)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), "tiny")
        costs = fitted([one for groups in FITTED for one in measure(folder, 1, groups)])
        print(costs)
        errors = []
        for num_runners, num_groups in CHECKED:
            batches = measure(folder, num_runners, num_groups)
            wholes = [one.sample_s + one.learn_s + one.sync_s for one in batches]
            ratio = statistics.median(
                predicted(one, costs) / whole for one, whole in zip(batches, wholes, strict=True)
            )
            errors.append(abs(ratio - 1))
            print(
                f"{num_runners} EnvRunners, {num_groups} groups: predicted / measured {ratio:.2f}"
            )
            name = f"iteration_model/{num_runners}x{num_groups}"
            figures.append(Figure(18, name, ratio, None, len(batches)))
    for groups in (16, 64, 512):
        speedups = simulated(costs, groups)
        print(f"{groups} groups:", {scale: round(value, 1) for scale, value in speedups.items()})
        figures += [
            Figure(18, f"iteration_model/{groups}_groups/{scale}", value)
            for scale, value in speedups.items()
        ]
    figures.append(Figure(18, "iteration_model/largest_error", max(errors), None, len(errors)))
    if args.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()
