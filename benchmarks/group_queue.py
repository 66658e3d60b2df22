"""Time the queue of groups: against a static split over EnvRunners, and by its own cost.

    python benchmarks/group_queue.py split [--figures]
    python benchmarks/group_queue.py scaling [--figures]
    python benchmarks/group_queue.py driver [--figures]

"split" plays 16 groups of 8 episodes on two EnvRunners with a stub engine and environments that
sleep as those of `rollout.py barrier` do, 8 episodes at a time each. The other side hands each
EnvRunner its share and waits for both; under dynamic sampling, it does so again for what is
missing. Three cases: plain; dynamic sampling where half of the groups have no spread; one of the
EnvRunners four times slower. Both sides take turns on the same EnvRunners, with the same tasks,
which differ from repetition to repetition.

"scaling" times a step of one EnvRunner with 8 to 4,096 concurrent episodes of an instant
environment. "driver" plays batches on 64 plain Ray actors that answer as EnvRunners do and finish a
group of 8 episodes every ten seconds each, and measures the CPU time of the driver.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import ray
from figures import Figure, add_figures_option, write_figures
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from rollout import InstantEnv, make_model
from stub_engine import IMPORT_PATH

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.play_answer import PlayAnswer
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.group_env_runner import (
    FIRST_PATIENCE_S,
    PATIENCE_GROWTH,
    GroupEnvRunner,
)
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling, has_spread
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.queue.group_queue import GroupQueue
from rllib_gigpo.sampling.queue.remote_runners import RemoteRunners
from rllib_gigpo.sampling.training_tasks import TaskStream

ISSUE = 16
NUM_GROUPS, GROUP_SIZE, NUM_STEPS = 16, 8, 10
MEDIAN_S, SIGMA = 0.020, math.log(1.0 / 0.020) / 2.3263478740408408  # 99th percentile 1 s
TARGETS = {"queue_plain": ">= 0.97", "queue_dynamic": ">= 1.3", "queue_slow_runner": ">= 1.5"}
SCALES = (8, 64, 512, 4096)
GROUP_S = 10.0  # from one group of a stub runner to the next


class SleepingEnv(InstantEnv):
    """An environment whose steps take log-normal times, decided by seed, step and action.

    Groups with an even seed have spread: the action decides the reward. In the first process that
    writes its number into ``slow_file``, if there is one, every step takes four times as long.
    """

    def __init__(self, env_config: Any) -> None:
        """Find out whether this process is the slow one."""
        super().__init__(env_config)
        file = env_config["slow_file"]
        self._factor = 4.0 if file and is_first_process(Path(file)) else 1.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict]:
        """Start the episode of ``seed``."""
        self._seed = seed or 0
        return super().reset(seed=seed)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """Sleep, then count the step."""
        key = [self._seed, self._step, *action.encode()]
        time.sleep(self._factor * np.random.default_rng(key).lognormal(math.log(MEDIAN_S), SIGMA))
        text, _, is_over, is_cut, info = super().step(action)
        reward = float(action in ("north", "east")) if self._seed % 2 == 0 else 0.0
        return text, reward, is_over, is_cut, info


def is_first_process(file: Path) -> bool:
    """Return whether this process was the first to write its number into a file."""
    with suppress(FileExistsError), file.open("x") as stream:
        stream.write(str(os.getpid()))
    return file.read_text() == str(os.getpid())


def make_config(folder: Path, env: type, env_config: dict[str, Any], **inference: Any) -> Any:
    """Make a config with the stub engine."""
    return (
        GiGPOConfig()
        .environment(env, env_config={"num_steps": NUM_STEPS, **env_config})
        .llm(model_path=str(folder), max_prompt_tokens=512, max_response_tokens=5)
        .prompting(template="{{ observation }}", action_tag=None, think_tag=None, history_length=0)
        .inference(engine=IMPORT_PATH, **inference)
        .debugging(seed=0)
    )


def make_stream(first_task: int = 0) -> TaskStream:
    """Make the endless stream of tasks from a seed on."""
    return TaskStream(
        group_size=GROUP_SIZE,
        sampling=SamplingSettings(max_tokens=5),
        first_task=first_task,
        num_tasks=None,
        seed=0,
    )


def start_ray() -> None:
    """Start Ray; its workers import from this folder."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *_python_path()])
    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)


def _python_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


# ---------------------------------------------------------------- against a static split


def static_split(group: EnvRunnerGroup, tasks: Sequence[GroupTask]) -> SampleResult:
    """Hand each EnvRunner its share, and wait for all."""
    runner_ids = group.healthy_env_runner_ids()
    shares = {
        index: list(tasks[offset :: len(runner_ids)]) for offset, index in enumerate(runner_ids)
    }
    parts = group.foreach_env_runner(
        lambda runner: runner.sample_groups(shares[runner.worker_index]), local_env_runner=False
    )
    return sum(parts, SampleResult())


def static_plain(group: EnvRunnerGroup, stream: TaskStream) -> SampleResult:
    """Split a batch."""
    return static_split(group, stream.draw(NUM_GROUPS))


def static_dynamic(group: EnvRunnerGroup, stream: TaskStream) -> SampleResult:
    """Split; then split again what lacks spread, until the batch is full."""
    result = SampleResult()
    while (missing := NUM_GROUPS - len(result.groups)) > 0:
        part = static_split(group, stream.draw(missing))
        kept = [one for one in part.groups if has_spread(one)]
        result += SampleResult(groups=kept)
    return result


def make_sampler(group: EnvRunnerGroup, *, dynamic: bool) -> GroupSampler:
    """Make a sampler with the queue, as `GiGPO` does."""
    crew = RemoteRunners(
        group,
        silence_s=300.0,
        timeout_s=None,
        restore=lambda: None,
        restore_timeout_s=0.0,
        gets_more=dynamic,
        resync=lambda runner_id: None,
    )
    queue = GroupQueue(crew, max_concurrent_episodes=GROUP_SIZE, overdue_s=300.0)
    return GroupSampler(queue, max_lost_rate=0.99, dynamic=DynamicSampling() if dynamic else None)


def measure_split(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Return the ratios static / queue of each case."""
    start_ray()
    ratios: dict[str, list[float]] = {}
    for name in TARGETS:
        slow_file = str(folder / "slow") if name == "queue_slow_runner" else None
        config = make_config(
            folder, SleepingEnv, {"slow_file": slow_file}, max_concurrent_episodes=GROUP_SIZE
        ).env_runners(num_env_runners=2, num_env_threads=GROUP_SIZE)
        config.validate()
        group = EnvRunnerGroup(config=config, local_env_runner=False)
        static_split(group, make_stream().draw(2))  # starts the threads
        ratios[name] = [_ratio(name, group, 1000 * number) for number in range(repeats)]
        group.stop()
    ray.shutdown()
    return ratios


def _ratio(name: str, group: EnvRunnerGroup, first_task: int) -> float:
    """Play a batch both ways; return the seconds of the static split over those of the queue."""
    dynamic = name == "queue_dynamic"
    sampler, stream = make_sampler(group, dynamic=dynamic), make_stream(first_task)
    options: Any = {"weight_version": 0, "give_back": stream.give_back}
    queue_s = _seconds(lambda: sampler.sample(stream.draw, NUM_GROUPS, **options))
    stream = make_stream(first_task)  # the same tasks
    split = static_dynamic if dynamic else static_plain
    static_s = _seconds(lambda: split(group, stream))
    print(f"{name}: static {static_s:.2f} s, queue {queue_s:.2f} s")
    return static_s / queue_s


def _seconds(play: Callable[[], SampleResult]) -> float:
    start = time.perf_counter()
    result = play()
    assert len(result.groups) == NUM_GROUPS
    return time.perf_counter() - start


# ---------------------------------------------------------------- one EnvRunner, and the driver


def measure_scaling(folder: Path, repeats: int) -> dict[int, float]:
    """Return the median microseconds of an episode's step, by concurrent episodes."""
    config = make_config(folder, InstantEnv, {}).env_runners(num_env_threads=0)
    config.validate()
    runner = GroupEnvRunner(config=config, worker_index=1)
    found = {}
    for scale in SCALES:
        tasks = make_stream().draw(scale // GROUP_SIZE)
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            result = runner.sample_groups(tasks)
            times.append((time.perf_counter() - start) / result.stats.num_steps)
        found[scale] = 1e6 * statistics.median(times[1:])
        print(f"{scale} episodes: {found[scale]:.0f} us a step")
    runner.stop()
    return found


@ray.remote(num_cpus=0)
class StubRunner:
    """An actor that answers as an EnvRunner does, and finishes a group every `GROUP_S` seconds."""

    def __init__(self) -> None:
        """Hold no group."""
        self._held: list[GroupTask] = []
        self._done_at = math.inf
        self._patience_s = FIRST_PATIENCE_S

    def answer(
        self, tasks: Sequence[GroupTask] = (), *, patience_s: float, **order: Any
    ) -> PlayAnswer:
        """Sleep until a group finishes or patience ends."""
        if tasks:
            self._done_at = min(self._done_at, time.monotonic() + GROUP_S)
            self._held += tasks
            self._patience_s = FIRST_PATIENCE_S
        if not self._held:
            return PlayAnswer()
        patience_s = min(patience_s, self._patience_s)
        left_s = self._done_at - time.monotonic()
        time.sleep(max(0.0, min(left_s, patience_s)))
        self._patience_s *= PATIENCE_GROWTH
        groups = []
        if left_s <= patience_s:
            groups.append(FinishedGroup(self._held.pop(0), []))
            self._done_at = time.monotonic() + GROUP_S if self._held else math.inf
            self._patience_s = FIRST_PATIENCE_S
        num_left = {task.group_id: task.group_size for task in self._held}
        return PlayAnswer(SampleResult(groups), bool(self._held), num_left)


def measure_driver(num_runners: int, repeats: int) -> float:
    """Return the share of an iteration that the driver computes, with ``num_runners`` actors."""
    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    actors = {index: StubRunner.remote() for index in range(1, num_runners + 1)}
    ray.get([actor.answer.remote(patience_s=0.0) for actor in actors.values()])
    manager = SimpleNamespace(actors=lambda: actors, set_actor_state=lambda *args, **kwargs: None)
    group: Any = SimpleNamespace(
        _worker_manager=manager, healthy_env_runner_ids=lambda: list(actors)
    )
    sampler, stream = make_sampler(group, dynamic=False), make_stream()
    shares = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        sampler.sample(stream.draw, 2 * num_runners, weight_version=0)
        wall_s = time.perf_counter() - start
        shares.append((time.process_time() - cpu) / wall_s)
        print(f"driver: {shares[-1]:.1%} of {wall_s:.2f} s")
    ray.shutdown()
    return statistics.median(shares)


# ---------------------------------------------------------------- command


def main() -> None:
    """Measure, print and write figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("what", choices=("split", "scaling", "driver"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runners", type=int, default=64)
    arguments = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, "tiny")
        if arguments.what == "split":
            for case, ratios in measure_split(folder, arguments.repeats).items():
                value = statistics.median(ratios)
                figures.append(Figure(ISSUE, case, value, TARGETS[case], n=len(ratios)))
                figures.append(Figure(ISSUE, f"{case}/min", min(ratios), n=len(ratios)))
                figures.append(Figure(ISSUE, f"{case}/max", max(ratios), n=len(ratios)))
        elif arguments.what == "scaling":
            times = measure_scaling(folder, arguments.repeats)
            spread = max(times.values()) / min(times.values()) - 1.0
            figures.append(Figure(ISSUE, "runner_scaling", spread, "<= 0.2", n=arguments.repeats))
            figures += [
                Figure(ISSUE, f"runner_scaling/{scale}_us", value, n=arguments.repeats)
                for scale, value in times.items()
            ]
        else:
            share = measure_driver(arguments.runners, arguments.repeats)
            name = f"driver_{arguments.runners}"
            figures.append(Figure(ISSUE, name, share, "< 0.05", n=arguments.repeats))
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3g} {figure.target or ''}")
    if arguments.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()
