"""Time `GroupEnvRunner` against the bare engine, and against a lock-step loop.

    python benchmarks/rollout.py engine --model tiny
    python benchmarks/rollout.py engine --model 50m --steps 4 --repeats 3
    python benchmarks/rollout.py barrier

"engine" compares the tokens/s of `GroupEnvRunner.sample` with an instant environment to those of
the engine alone on the same requests (same prompts, same seeds, 64 at a time). "barrier" compares
the seconds for 64 episodes of 10 steps, with log-normal step times, to a loop that waits for all
episodes at every step, with the same engine and the same workers. Both sides take turns in one
process. The figures of "engine" are those of ``--runs`` whole runs.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import pstats
import statistics
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import ray
from figures import Figure, add_figures_option, result_figures, write_figures

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest, SamplingSettings
from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

CONCURRENCY = 64
SIZES = {
    "tiny": {"hidden_size": 96, "num_layers": 2, "num_heads": 3},
    "50m": {"hidden_size": 640, "num_layers": 10, "num_heads": 10},
}
# Names of the sizes in the figures.
PARAMETERS = {"tiny": "0.3M", "50m": "50M"}
TARGETS = {"tiny": ">= 0.6", "50m": ">= 0.9"}  # of the runner over the engine
# Part of the runner's time -> file and name of the function that takes it.
PROFILED = {
    "vllm_step": ("llm_engine.py", "step"),
    "prompts": ("render_prompt.py", "__call__"),
    "submit": ("vllm_engine.py", "submit"),
}
WORDS = ["north", "south", "east", "west", "door", "room", "table", "lamp", "coin", "key", "open"]


class InstantEnv(gym.Env):
    """An environment that answers at once with a new text of 53 words."""

    def __init__(self, env_config: dict[str, Any]) -> None:
        """Read the length of every episode from ``env_config["num_steps"]``."""
        self.observation_space = self.action_space = gym.spaces.Text(10_000)
        self._num_steps, self._num_words = env_config["num_steps"], 53

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict]:
        """Start the episode of ``seed``."""
        super().reset(seed=seed)
        self._rng = np.random.default_rng(seed)
        self._step = 0
        return self._text(), {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """Count the step."""
        self._step += 1
        return self._text(), 0.0, self._step >= self._num_steps, False, {}

    def _text(self) -> str:
        return " ".join(self._rng.choice(WORDS, size=self._num_words))


class SlowEnv(InstantEnv):
    """An environment that sleeps at each step: log-normal, median 20 ms, 99th percentile 1 s.

    The step and the action determine the time. Members of a group, whose answers differ, therefore
    sleep for different times, while a repeated rollout sleeps for the same times.
    """

    _SIGMA = math.log(1.0 / 0.020) / 2.3263478740408408

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """Sleep, then count the step."""
        drawn = np.random.default_rng([zlib.crc32(action.encode()), self._step])
        time.sleep(float(drawn.lognormal(math.log(0.020), self._SIGMA)))
        return super().step(action)


def make_model(folder: Path, size: str) -> None:
    """Save a randomly initialized model of the given size."""
    tokenizer = build_tokenizer([" ".join(WORDS)] * 8, vocab_size=1024)
    model = build_model(tokenizer, max_position_embeddings=1024, seed=0, **SIZES[size])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"model {size}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters")


def make_runner(
    folder: Path, *, env: type, num_steps: int, max_tokens: int, **env_runners: Any
) -> GroupEnvRunner:
    """Build a runner without an Algorithm."""
    config = (
        GiGPOConfig()
        .environment(env, env_config={"num_steps": num_steps})
        .llm(model_path=str(folder), max_prompt_tokens=512, max_response_tokens=max_tokens)
        .prompting(template="{{ observation }}", action_tag=None, think_tag=None, history_length=0)
        .inference(max_concurrent_episodes=CONCURRENCY)
        .env_runners(**env_runners)
        .debugging(seed=0)
    )
    config.validate()
    return GroupEnvRunner(config=config, worker_index=0)


def one_group(max_tokens: int) -> GroupTask:
    """Make a group of `CONCURRENCY` episodes, which all run at the same time."""
    return GroupTask(0, 0, CONCURRENCY, SamplingSettings(max_tokens=max_tokens))


class RecordingModule:
    """An engine module that records every request."""

    def __init__(self, module: Any) -> None:
        """Wrap ``module``."""
        self._module = module
        self.requests: list[GenerationRequest] = []

    def submit(self, requests: list[GenerationRequest]) -> None:
        """Record the requests and pass them on."""
        self.requests.extend(requests)
        self._module.submit(requests)

    def __getattr__(self, name: str) -> Any:
        """Get everything else from the module."""
        return getattr(self._module, name)


def forget_prompts(engine: Any) -> None:
    """Empty the prefix cache, which holds the prompts of the previous repeat."""
    engine._running().reset_prefix_cache()


def bare_engine(engine: Any, requests: list[GenerationRequest]) -> int:
    """Keep `CONCURRENCY` requests in the engine until all are done; count the response tokens."""
    waiting, num_running, num_tokens = deque(requests), 0, 0
    while waiting or num_running:
        room = min(CONCURRENCY - num_running, len(waiting))
        if room:
            engine.submit([waiting.popleft() for _ in range(room)])
            num_running += room
        done: list[Generation] = engine.poll()
        num_running -= len(done)
        num_tokens += sum(len(generation.token_ids) for generation in done)
    return num_tokens


def measure_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the runner over the engine alone, for short and long answers."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), arguments.model)
        for max_tokens in (5, 64):
            rows[max_tokens] = _measure_length(Path(folder), max_tokens, arguments)
    return rows


def _measure_length(folder: Path, max_tokens: int, arguments: argparse.Namespace) -> dict[str, Any]:
    runner = make_runner(folder, env=InstantEnv, num_steps=arguments.steps, max_tokens=max_tokens)
    engine, task = runner.module.engine, one_group(max_tokens)
    recorder = RecordingModule(runner.module)
    runner.module = recorder
    runner.sample([task])
    runner.module = recorder._module
    requests = recorder.requests
    ratios, runner_rates, bare_rates = [], [], []
    for repeat in range(arguments.repeats + 1):
        forget_prompts(engine)
        start = time.perf_counter()
        result = runner.sample_groups([task])
        runner_s = time.perf_counter() - start
        forget_prompts(engine)
        again = [
            replace(request, request_id=f"{repeat}:{request.request_id}") for request in requests
        ]
        start = time.perf_counter()
        num_tokens = bare_engine(engine, again)
        bare_s = time.perf_counter() - start
        assert num_tokens == result.stats.num_response_tokens, "both sides must do the same work"
        if repeat:  # the first round warms up
            runner_rates.append(num_tokens / runner_s)
            bare_rates.append(num_tokens / bare_s)
            ratios.append(bare_s / runner_s)
    prompt_tokens = statistics.mean(len(request.prompt_token_ids) for request in requests)
    profiled = _profile(runner, task) if arguments.profile else {}
    runner.stop()
    return {
        "model": arguments.model,
        "max_tokens": max_tokens,
        "num_requests": len(requests),
        "prompt_tokens_mean": prompt_tokens,
        "runner_tokens_per_s": statistics.median(runner_rates),
        "bare_tokens_per_s": statistics.median(bare_rates),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "profile": profiled,
    }


def _profile(runner: GroupEnvRunner, task: GroupTask) -> dict[str, float]:
    profile = cProfile.Profile()
    profile.runcall(runner.sample_groups, [task])
    stats = pstats.Stats(profile)
    stats.sort_stats("cumulative").print_stats(45)
    return profile_shares(stats)


def profile_shares(stats: pstats.Stats) -> dict[str, float]:
    """Return the seconds of a profile, and the share of each of the `PROFILED` functions."""
    seconds = dict.fromkeys(PROFILED, 0.0)
    for (file, _, function), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        for part, place in PROFILED.items():
            if (Path(file).name, function) == place:
                seconds[part] += cumulative
    total: float = stats.total_tt  # type: ignore[attr-defined]
    shares = {f"{part}_share": part_s / total for part, part_s in seconds.items()}
    return {"seconds": total} | shares


def measure_barrier(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure a lock-step loop over the runner, with the same engine and workers."""
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), "tiny")
        ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False)
        runner = make_runner(
            Path(folder),
            env=SlowEnv,
            num_steps=arguments.steps,
            max_tokens=5,
            num_env_workers=4,
            num_env_threads=arguments.threads,
        )
        task = one_group(max_tokens=5)
        runner.sample([task])  # starts the workers, compiles kernels
        ratios, ours, theirs = [], [], []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            runner.sample([task])
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            lock_step(runner, task)
            theirs.append(time.perf_counter() - start)
            ratios.append(theirs[-1] / ours[-1])
        runner.stop()
        ray.shutdown()
    return {
        "threads_per_worker": arguments.threads,
        "runner_s": statistics.median(ours),
        "lock_step_s": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def lock_step(runner: GroupEnvRunner, task: GroupTask) -> None:
    """Run the reference systems' loop: prompt all, wait for all, step all, wait for all."""
    rollout = runner._new_rollout()
    envs = rollout._envs
    rollout.start([task])
    rollout._begin_waiting_episodes()
    while not rollout.is_done:
        events: list[Any] = []
        while len(events) < len(rollout._in_env):
            envs.wait(1.0)
            events.extend(envs.poll())
        rollout._envs = _Answered(events)
        rollout._take_env_events()
        rollout._envs = envs
        rollout._submit_prompts()
        _answer_all(rollout)


def _answer_all(rollout: Any) -> None:
    """Take all answers of the engine, then step the environments."""
    envs, held = rollout._envs, _Held()
    rollout._envs = held
    while rollout._in_engine:
        rollout._take_generations()
    rollout._envs = envs
    for slot, action in held.steps:
        envs.step(slot, action)


class _Answered:
    """A pool that has all its answers."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def poll(self) -> list[Any]:
        return self._events


class _Held:
    """A pool that only records the steps."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, Any]] = []

    def step(self, slot: int, action: Any) -> None:
        self.steps.append((slot, action))


MEASURES = {"engine": measure_engine, "barrier": measure_barrier}


def engine_figures(runs: Sequence[dict[int, dict[str, Any]]], repeats: int) -> Iterator[Figure]:
    """Yield the figures of "engine": the worst and best run, and the range of all repeats."""
    for max_tokens, first in runs[0].items():
        rows = [run[max_tokens] for run in runs]
        prefix = f"rollout/{PARAMETERS[first['model']]}/{max_tokens}"
        values = {
            "runner_over_engine": min(row["ratio"] for row in rows),
            "runner_over_engine_best_run": max(row["ratio"] for row in rows),
            "runner_over_engine_min": min(row["ratio_min"] for row in rows),
            "runner_over_engine_max": max(row["ratio_max"] for row in rows),
        }
        targets = {"runner_over_engine": TARGETS[first["model"]]}
        yield from result_figures(prefix, values, targets=targets, n=len(runs) * repeats)
        tokens = {"prompt_tokens_mean": first["prompt_tokens_mean"]}
        yield from result_figures(prefix, tokens, n=first["num_requests"])
        yield from result_figures(f"{prefix}/profile", first["profile"])


def barrier_figures(row: dict[str, Any], repeats: int) -> list[Figure]:
    """Make the figures of "barrier"."""
    values = {
        "lock_step_over_runner": row["ratio"],
        "lock_step_over_runner_min": row["ratio_min"],
        "lock_step_over_runner_max": row["ratio_max"],
    }
    targets = {"lock_step_over_runner": ">= 1.5"}
    return result_figures("rollout/barrier", values, targets=targets, n=repeats)


def figures_of(runs: Sequence[dict[str, Any]], repeats: int) -> Iterator[Figure]:
    """Yield the figures of all that was measured."""
    if "engine" in runs[0]:
        yield from engine_figures([run["engine"] for run in runs], repeats)
    if "barrier" in runs[0]:
        yield from barrier_figures(runs[-1]["barrier"], repeats)


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("what", nargs="?", choices=tuple(MEASURES), help="default: both")
    parser.add_argument("--model", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--threads", type=int, default=16, help="threads per environment worker")
    parser.add_argument("--steps", type=int, default=10, help="steps of every episode")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1, help="repeat everything")
    parser.add_argument("--profile", action="store_true", help="print where the runner's time goes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chosen = [arguments.what] if arguments.what else list(MEASURES)
    runs = []
    for _ in range(arguments.runs):
        runs.append({what: MEASURES[what](arguments) for what in chosen})
        print(json.dumps(runs[-1], indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(runs[-1], indent=2) + "\n", encoding="utf-8")
    if arguments.figures:
        write_figures(list(figures_of(runs, arguments.repeats)))


if __name__ == "__main__":
    main()
