"""The numbers of a panel's result: success, avg@k, pass@k and steps, with 95 % intervals.

With k decoding seeds, x_{i,j} is the success of task i under seed j, and x_i its mean over j.

    avg@k = mean over tasks of x_i, which is the success rate
    pass@k = share of the tasks with x_i > 0

The interval over tasks is Wilson's with the effective number of episodes p (1 - p) / (var(x_i) / n)
of n tasks (Franco et al., J. Surv. Stat. Methodol. 7, 2019): for k = 1 that number is n, and tasks
that are always won or always lost count once each. The interval over seeds is Student's, of the k
means over tasks; it says how much the luck of decoding matters on these tasks. The steps of
successes are averaged by task first, and their interval is Student's over tasks.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rllib_gigpo.panels.played_task import PlayedTask
from rllib_gigpo.sampling.rollout_metrics import wilson_interval

_EQUAL = 1e-9  # rates that differ by less are the same


def summarize(played: Sequence[PlayedTask]) -> dict[str, Any]:
    """Compute the numbers of all episodes, and of those with each tag.

    Args:
        played: The episodes; a task may lack some seeds if they could not be played.

    Returns:
        A dict for JSON; rates are fractions. Numbers that need successes or several seeds are left
        out without them.
    """
    by_tag = defaultdict(list)
    for one in played:
        for tag in one.tags:
            by_tag[tag].append(one)
    tags = {tag: _numbers(episodes) for tag, episodes in sorted(by_tag.items())}
    return {**_numbers(played), "tags": tags}


def task_means(played: Sequence[PlayedTask]) -> dict[int, float]:
    """Return the mean success of each task over its decoding seeds."""
    return mean_by_task((one.task, float(one.won)) for one in played)


def mean_by_task(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Average (task, value) pairs by task, in the order of their first pairs."""
    found: dict[int, list[float]] = defaultdict(list)
    for task, value in values:
        found[task].append(value)
    return {task: float(np.mean(numbers)) for task, numbers in found.items()}


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a mean; None for fewer than two different values."""
    if len(values) < 2 or np.ptp(values) < _EQUAL:
        return None
    from scipy import stats

    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _numbers(played: Sequence[PlayedTask]) -> dict[str, Any]:
    by_task = task_means(played)
    means = np.array(list(by_task.values()))
    num_tasks, rate = len(means), float(means.mean()) if len(means) else 0.0
    num_effective = min(_effective_episodes(means), len(played))
    low, high = wilson_interval(rate * num_effective, num_effective)
    seeds = sorted({one.decoding_seed for one in played})
    numbers: dict[str, Any] = {
        "num_tasks": num_tasks,
        "num_episodes": len(played),
        "success_rate": rate,
        "success_ci_low": low,
        "success_ci_high": high,
        "episode_return_mean": _mean([one.episode_return for one in played]),
        "episode_len_mean": _mean([float(one.num_steps) for one in played]),
        "format_valid_rate": _mean([one.valid_rate for one in played]),
        "prompt_cut_rate": _mean([one.cut_rate for one in played]),
    }
    if len(seeds) > 1:
        name = f"pass_at_{len(seeds)}"
        counts = Counter(one.task for one in played)
        whole = [mean for task, mean in by_task.items() if counts[task] == len(seeds)]
        numbers |= {"num_decoding_seeds": len(seeds), f"avg_at_{len(seeds)}": rate}
        if whole:
            num_passed = sum(mean > 0 for mean in whole)
            interval = wilson_interval(num_passed, len(whole))
            numbers |= _with_interval(name, num_passed / len(whole), interval)
        by_seed = [
            _mean([float(one.won) for one in played if one.decoding_seed == seed]) for seed in seeds
        ]
        found = student_interval(by_seed)
        bounds = None if found is None else (max(0.0, found[0]), min(1.0, found[1]))
        numbers |= _with_interval("success_over_seeds", rate, bounds)
    steps = list(
        mean_by_task((one.task, float(one.num_steps)) for one in played if one.won).values()
    )
    if steps:
        numbers |= _with_interval("steps_of_successes", _mean(steps), student_interval(steps))
    return numbers


def _effective_episodes(means: np.ndarray) -> float:
    if len(means) == 0 or np.ptp(means) < _EQUAL:
        return float(len(means))
    rate, variance = float(means.mean()), float(np.var(means))
    return rate * (1 - rate) / (variance / len(means))


def _with_interval(
    name: str, value: float, interval: tuple[float, float] | None
) -> Mapping[str, float]:
    low_high = {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}
    return {name: value, **low_high}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
