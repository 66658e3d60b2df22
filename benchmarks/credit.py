"""Time anchor grouping and step advantages against a plain dictionary loop over the same rows.

    python benchmarks/credit.py
    python benchmarks/credit.py --clock cpu --runs 3 --figures
    python benchmarks/credit.py --rows 6400 100000 --repeats 15 --json results/credit.json

Both sides alternate in one process, on the same rows. Every repeat gets its anchors as new ``str``
objects, because Python caches the hash of a string. "hashing" is `exact_anchor_groups`,
"statistics" is `step_advantages`. The loop does both: one pass sums per (group, anchor), one pass
centres. The results are compared row by row.

Two loops are timed. "plain" is the usual one, with a dictionary of sums and one of counts. "lean"
is the fastest loop that we could write in plain Python: a list of rows per key, so each key is
hashed and looked up once. Ratios are ratios of medians. On a shared machine, ``--clock cpu``
measures the CPU time of the thread. The figures are the ranges of ``--runs`` whole runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import string
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, write_figures

from rllib_gigpo.credit.advantages import step_advantages
from rllib_gigpo.credit.anchors import exact_anchor_groups

ROW_COUNTS = (6_400, 100_000, 1_000_000)
ROWS_PER_GROUP = 400  # 8 trajectories of 50 steps
# Makes anchor groups of 6.7 rows on average; the paper's converge to 6-8.
STATES_PER_GROUP = 60
ANCHOR_LENGTH = 200
LARGE_BATCH_REPEATS = 5
# Rows -> required ratio of the plain loop to ours.
TARGETS = {6_400: ">= 3", 100_000: ">= 6"}
# Every part runs in one thread, whose CPU time excludes other processes.
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one batch.

    Attributes:
        group_ids: R ints.
        texts: R anchors; copy them before use.
        returns: R floats.
    """

    group_ids: list[int]
    texts: list[str]
    returns: list[float]

    def fresh_anchors(self) -> list[str]:
        """Copy the anchors into new objects without a cached hash."""
        half = ANCHOR_LENGTH // 2
        return [text[:half] + text[half:] for text in self.texts]


def make_rows(num_rows: int, *, states_per_group: int, shuffle: bool, seed: int) -> Rows:
    """Draw each row's state from those of its group.

    Args:
        num_rows: R.
        states_per_group: Number of different anchors in a group of 400 rows.
        shuffle: Whether the rows are in random order; otherwise group by group, as sampled.
        seed: Seed of all draws.
    """
    rng = random.Random(seed)
    group_ids = [row // ROWS_PER_GROUP for row in range(num_rows)]
    if shuffle:
        rng.shuffle(group_ids)
    states = [
        [
            "".join(rng.choices(string.ascii_lowercase + " ", k=ANCHOR_LENGTH))
            for _ in range(states_per_group)
        ]
        for _ in range(num_rows // ROWS_PER_GROUP + 1)
    ]
    return Rows(
        group_ids=group_ids,
        texts=[rng.choice(states[group]) for group in group_ids],
        returns=[rng.random() for _ in range(num_rows)],
    )


def plain_loop(
    group_ids: Sequence[int], anchors: Sequence[str], returns: Sequence[float]
) -> list[float]:
    """Compute the advantages with two dictionaries in two passes."""
    sums: dict[tuple[int, str], float] = {}
    counts: dict[tuple[int, str], int] = {}
    for group_id, anchor, value in zip(group_ids, anchors, returns, strict=True):
        key = (group_id, anchor)
        sums[key] = sums.get(key, 0.0) + value
        counts[key] = counts.get(key, 0) + 1
    advantages = []
    for group_id, anchor, value in zip(group_ids, anchors, returns, strict=True):
        key = (group_id, anchor)
        advantages.append(value - sums[key] / counts[key])
    return advantages


def lean_loop(
    group_ids: Sequence[int], anchors: Sequence[str], returns: Sequence[float]
) -> list[float]:
    """Compute the advantages with one dictionary and one look-up per row."""
    rows_of: dict[tuple[int, str], list[int]] = {}
    for row, key in enumerate(zip(group_ids, anchors, strict=True)):
        rows_of.setdefault(key, []).append(row)
    advantages = [0.0] * len(returns)
    for rows in rows_of.values():
        mean = sum([returns[row] for row in rows]) / len(rows)
        for row in rows:
            advantages[row] = returns[row] - mean
    return advantages


def measure(rows: Rows, repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Time all sides in turns.

    Args:
        rows: The rows of both sides.
        repeats: Number of repeats of each side.
        clock: Function that returns seconds.

    Returns:
        Median seconds of each part.
    """
    group_ids = np.array(rows.group_ids, dtype=np.int64)
    returns = np.array(rows.returns)
    seconds: dict[str, list[float]] = {"plain": [], "lean": [], "hashing": [], "statistics": []}

    def timed(part: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = clock()
        result = function(*args, **kwargs)
        seconds[part].append(clock() - start)
        return result

    for _ in range(repeats):
        for part, loop in (("plain", plain_loop), ("lean", lean_loop)):
            anchors = rows.fresh_anchors()
            gc.collect()
            expected = timed(part, loop, rows.group_ids, anchors, rows.returns)
        anchors = rows.fresh_anchors()
        gc.collect()
        labels = timed("hashing", exact_anchor_groups, anchors, group_ids)
        found = timed("statistics", step_advantages, returns, labels, divide_by_std=False)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    return {part: statistics.median(times) for part, times in seconds.items()}


def report(num_rows: int, parts: dict[str, float], repeats: int) -> dict[str, float]:
    """Return the median seconds with their sum and the ratios."""
    total = parts["hashing"] + parts["statistics"]
    return {
        "rows": num_rows,
        "repeats": repeats,
        **{f"{part}_s": value for part, value in parts.items()},
        "total_s": total,
        "plain_ratio": parts["plain"] / total,
        "lean_ratio": parts["lean"] / total,
    }


def print_table(results: Sequence[dict[str, float]]) -> None:
    """Print milliseconds, ratios, and the growth from 100,000 to 1,000,000 rows."""
    print(
        f"{'rows':>9}  {'hashing':>9}  {'statistics':>10}  {'sum':>9}  {'plain loop':>10}"
        f"  {'lean loop':>9}  {'plain/sum':>9}  {'lean/sum':>8}   (ms)"
    )
    for result in results:
        ms = {name: 1e3 * value for name, value in result.items() if name.endswith("_s")}
        print(
            f"{result['rows']:>9,}  {ms['hashing_s']:>9.2f}  {ms['statistics_s']:>10.2f}"
            f"  {ms['total_s']:>9.2f}  {ms['plain_s']:>10.2f}  {ms['lean_s']:>9.2f}"
            f"  {result['plain_ratio']:>9.1f}  {result['lean_ratio']:>8.1f}"
        )
    if (growth := growth_of(results)) is not None:
        print(f"1,000,000 rows cost {growth:.1f} x 100,000 rows")


def growth_of(results: Sequence[dict[str, float]]) -> float | None:
    """Return the cost of 1,000,000 rows over that of 100,000; None if one was not measured."""
    totals = {result["rows"]: result["total_s"] for result in results}
    if {100_000, 1_000_000} <= totals.keys():
        return totals[1_000_000] / totals[100_000]
    return None


def figures_of(runs: Sequence[Sequence[dict[str, float]]]) -> Iterator[Figure]:
    """Yield the ranges over whole runs; a ratio must meet its target in the worst run."""
    for of_one_size in zip(*runs, strict=True):
        rows = int(of_one_size[0]["rows"])
        values: dict[str, float] = {}
        for name, key, scale in (
            ("hashing_ms", "hashing_s", 1e3),
            ("statistics_ms", "statistics_s", 1e3),
            ("plain_loop_ms", "plain_s", 1e3),
            ("plain_over_ours", "plain_ratio", 1.0),
        ):
            values |= _range(name, [scale * result[key] for result in of_one_size])
        targets = {"plain_over_ours_min": TARGETS[rows]} if rows in TARGETS else None
        yield from result_figures(f"credit/{rows}", values, targets=targets, n=len(runs))
    growths = [growth for results in runs if (growth := growth_of(results)) is not None]
    if growths:
        values = _range("growth", growths)
        yield from result_figures("credit", values, targets={"growth_max": "<= 12"}, n=len(growths))


def _range(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}_min": min(values), f"{name}_max": max(values)}


def measure_sizes(args: argparse.Namespace) -> list[dict[str, float]]:
    """Measure each number of rows once."""
    results = []
    for num_rows in args.rows:
        rows = make_rows(
            num_rows, states_per_group=args.states_per_group, shuffle=args.shuffle, seed=args.seed
        )
        repeats = args.repeats if num_rows <= 100_000 else min(args.repeats, LARGE_BATCH_REPEATS)
        results.append(report(num_rows, measure(rows, repeats, CLOCKS[args.clock]), repeats))
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_figures_option(parser)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROW_COUNTS))
    parser.add_argument("--repeats", type=int, default=15, help="at most; fewer for 1,000,000 rows")
    parser.add_argument("--states-per-group", type=int, default=STATES_PER_GROUP)
    parser.add_argument("--runs", type=int, default=1, help="repeat everything")
    parser.add_argument("--shuffle", action="store_true", help="put the rows in random order")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu for busy machines")
    parser.add_argument("--json", type=Path, help="write the last run to this file")
    args = parser.parse_args()
    runs = []
    for _ in range(args.runs):
        runs.append(measure_sizes(args))
        print_table(runs[-1])
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(runs[-1], indent=2) + "\n")
    if args.figures:
        write_figures(list(figures_of(runs)))


if __name__ == "__main__":
    main()
