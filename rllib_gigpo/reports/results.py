"""Summaries of training iterations: the metrics that people look at, and their paths in a result.

A result is a nested dict: ``Algorithm.train()`` returns it, Tune's callbacks receive it, and Tune's
JSON logger writes it as one line of ``result.json``. The live display, the plots and the benchmarks
read it through `IterationSummary`.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import GiGPOError

# What a run's folder holds.
RESULT_FILE = "result.json"
ERROR_FILE = "error.txt"
TRANSCRIPT_FOLDER = "transcripts"
VERSIONS_FILE = "versions.json"
_TRANSCRIPT_NAME = re.compile(r"iteration_(\d+)\.jsonl(\.gz)?")

PHASES = ("sample", "credit", "learn", "sync", "evaluate")
ANCHOR_GROUP_SIZES = "credit/anchor_group_size_histogram"
EVALUATION = "evaluation/env_runners"
WARNINGS = "warnings"  # texts that an iteration wants people to read, by topic

# Field of `IterationSummary` -> path of its value in the result.
METRIC_PATHS = {
    "iteration": "training_iteration",
    "time_total_s": "time_total_s",
    "iteration_s": "time_this_iter_s",
    "success_rate": "env_runners/success_rate",
    "episode_return": "env_runners/episode_return_mean",
    "episode_length": "env_runners/episode_len_mean",
    "format_valid_rate": "env_runners/format_valid_rate",
    "admissible_rate": "env_runners/admissible_rate",
    "num_episodes_lost": "env_runners/num_episodes_lost",
    "tokens_per_s": "env_runners/tokens_per_s",
    "anchor_group_size": "credit/anchor_group_size_mean",
    "policy_loss": "learners/default_policy/policy_loss",
    "entropy": "learners/default_policy/entropy",
    "kl": "learners/default_policy/approx_kl",
    "grad_norm": "learners/default_policy/grad_norm",
    "clip_fraction": "learners/default_policy/clip_fraction",
    "num_skipped_steps": "learners/default_policy/num_skipped_steps",
    "max_ratio_deviation_fresh": "learners/default_policy/max_ratio_deviation_fresh",
    "rollout_kl": "learners/default_policy/rollout_kl",
    "max_abs_logp_diff": "learners/default_policy/max_abs_logp_diff",
    "importance_capped_share": "learners/default_policy/importance_capped_share",
    "eval_success_rate": "evaluation/env_runners/success_rate",
    "eval_success_ci_low": "evaluation/env_runners/success_ci_low",
    "eval_success_ci_high": "evaluation/env_runners/success_ci_high",
    "eval_num_episodes": "evaluation/env_runners/num_episodes",
}


def transcript_file(run_folder: Path, iteration: int) -> Path:
    """Return the file with the episodes of an iteration."""
    return run_folder / TRANSCRIPT_FOLDER / f"iteration_{iteration:06d}.jsonl.gz"


def transcript_files(run_folder: Path) -> dict[int, Path]:
    """Return the transcripts that a run has, by iteration in their order."""
    folder = run_folder / TRANSCRIPT_FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    found = ((_TRANSCRIPT_NAME.fullmatch(file.name), file) for file in files)
    return dict(sorted((int(match[1]), file) for match, file in found if match))


@dataclass(frozen=True, slots=True)
class IterationSummary:
    """The metrics of one iteration; a metric that the result lacks is None.

    Rates are fractions in [0, 1], times are seconds, lengths are environment steps per episode.
    """

    iteration: int
    time_total_s: float | None = None
    iteration_s: float | None = None
    success_rate: float | None = None
    episode_return: float | None = None
    episode_length: float | None = None
    format_valid_rate: float | None = None
    admissible_rate: float | None = None
    num_episodes_lost: float | None = None
    tokens_per_s: float | None = None
    anchor_group_size: float | None = None
    policy_loss: float | None = None
    entropy: float | None = None
    kl: float | None = None
    grad_norm: float | None = None
    clip_fraction: float | None = None
    num_skipped_steps: float | None = None
    max_ratio_deviation_fresh: float | None = None
    rollout_kl: float | None = None
    max_abs_logp_diff: float | None = None
    importance_capped_share: float | None = None
    eval_success_rate: float | None = None
    eval_success_ci_low: float | None = None
    eval_success_ci_high: float | None = None
    eval_num_episodes: float | None = None
    phase_seconds: tuple[tuple[str, float], ...] = ()  # (phase, seconds) in the order of PHASES
    anchor_group_sizes: tuple[tuple[int, float], ...] = ()  # (size, number of groups), ascending
    groups_lost: tuple[tuple[str, float], ...] = ()  # (kind of fault, number of groups)
    warnings: str = ""  # a line for each


def summarize(result: Mapping[str, Any]) -> IterationSummary:
    """Pick the metrics of a summary out of a result."""
    values = {name: number(result, path) for name, path in METRIC_PATHS.items()}
    iteration = values.pop("iteration")
    return IterationSummary(
        iteration=0 if iteration is None else int(iteration),
        phase_seconds=_phase_seconds(result),
        anchor_group_sizes=_anchor_group_sizes(result),
        groups_lost=tuple((lookup(result, "env_runners/groups_lost") or {}).items()),
        warnings="\n".join(map(str, (lookup(result, WARNINGS) or {}).values())),
        **values,
    )


def lookup(result: Mapping[str, Any], path: str) -> Any:
    """Follow ``path`` ("a/b/c") through nested dicts; return None if it leads nowhere."""
    value: Any = result
    for key in path.split("/"):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def number(result: Mapping[str, Any], path: str) -> float | None:
    """Return the finite number at ``path``, or None."""
    value = lookup(result, path)
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def without_nan(result: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the metrics that are NaN, in nested dicts too: they were not computed."""
    kept = {
        key: without_nan(value) if isinstance(value, Mapping) else value
        for key, value in result.items()
    }
    return {key: value for key, value in kept.items() if value == value}


def phase_path(phase: str) -> str:
    """Return the path of the seconds that one of `PHASES` took."""
    return f"timers/{phase}_s"


def read_result_file(path: Path) -> list[IterationSummary]:
    """Read the summaries of Tune's ``result.json``; see `read_results`."""
    return [summarize(result) for result in read_results(path)]


def read_results(path: Path) -> list[dict[str, Any]]:
    """Read Tune's ``result.json``, in the order of the iterations.

    A resumed run repeats the iterations since its last checkpoint; the later line counts.

    Raises:
        GiGPOError: The file does not exist, because no iteration has finished.
    """
    if not path.is_file():
        raise GiGPOError(
            f"{path}: no such file; use the folder of a trial that has finished an iteration"
        )
    by_iteration = {int(result["training_iteration"]): result for result in _json_lines(path)}
    return [by_iteration[iteration] for iteration in sorted(by_iteration)]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    results = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            results.append(json.loads(line))
        except json.JSONDecodeError:
            # A killed run leaves its last line half written.
            continue
    return results


def _phase_seconds(result: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    seconds = ((phase, number(result, phase_path(phase))) for phase in PHASES)
    return tuple((phase, value) for phase, value in seconds if value is not None)


def _anchor_group_sizes(result: Mapping[str, Any]) -> tuple[tuple[int, float], ...]:
    histogram = lookup(result, ANCHOR_GROUP_SIZES) or {}
    counts = ((size, number(histogram, size)) for size in histogram)
    return tuple(sorted((int(size), count) for size, count in counts if count is not None))
