"""Credit: anchor grouping and step advantages against a plain dictionary loop over the same rows.

    python benchmarks/credit.py
    python benchmarks/credit.py --rows 6400 100000 --repeats 15 --json results/credit.json

Both sides alternate in one process, on the same rows. Every repeat of either side gets anchors that
are new ``str`` objects, because Python keeps a string's hash after it was computed once. "hashing"
is `exact_anchor_groups`, "statistics" is `step_advantages`; the loop does both at once: a pass that
sums per (group, anchor), a pass that centres. The results are compared row by row.

Two loops are timed. "plain" is the usual one, a dictionary of sums and one of counts. "lean" is the
fastest that we could write in plain Python: a list of rows per key, so that each key is hashed and
looked up once. Ratios are of medians. On a machine that others use too, ``--clock cpu`` measures
the thread's CPU time.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo.credit.advantages import step_advantages
from rllib_gigpo.credit.anchors import exact_anchor_groups

ROW_COUNTS = (6_400, 100_000, 1_000_000)
ROWS_PER_GROUP = 400  # 8 trajectories of 50 steps
# Anchor groups of 6.7 rows in the mean; the paper's converge to 6-8.
STATES_PER_GROUP = 60
ANCHOR_LENGTH = 200
LARGE_BATCH_REPEATS = 5
# Every part runs in one thread: its CPU time leaves out what other processes take.
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one batch, in the form that each side likes best.

    Attributes:
        group_ids: R ints.
        texts: R anchors; to be copied before use.
        returns: R floats.
    """

    group_ids: list[int]
    texts: list[str]
    returns: list[float]

    def fresh_anchors(self) -> list[str]:
        """Equal anchors as new objects, whose hash nobody has computed."""
        half = ANCHOR_LENGTH // 2
        return [text[:half] + text[half:] for text in self.texts]


def make_rows(num_rows: int, *, states_per_group: int, shuffle: bool, seed: int) -> Rows:
    """Draw each row's state from those of its group.

    Args:
        num_rows: R.
        states_per_group: Number of different anchors in a group of 400 rows.
        shuffle: Whether rows come in a random order; else group after group, as sampled.
        seed: Of all draws.
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
    """Two dictionaries, two passes."""
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
    """One dictionary, one look-up per row."""
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
        rows: What both sides work on.
        repeats: Runs of each side.
        clock: Seconds.

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
    """Add the sum and the ratios."""
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
    """Milliseconds, ratios, and how 1,000,000 rows compare with 100,000."""
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
    totals = {result["rows"]: result["total_s"] for result in results}
    if {100_000, 1_000_000} <= totals.keys():
        print(f"1,000,000 rows cost {totals[1_000_000] / totals[100_000]:.1f} x 100,000 rows")


def main() -> None:
    """Measure each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROW_COUNTS))
    parser.add_argument(
        "--repeats", type=int, default=15, help="at 6,400 rows; fewer for more rows"
    )
    parser.add_argument("--states-per-group", type=int, default=STATES_PER_GROUP)
    parser.add_argument("--shuffle", action="store_true", help="rows in a random order")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu on a busy machine")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    results = []
    for num_rows in args.rows:
        rows = make_rows(
            num_rows, states_per_group=args.states_per_group, shuffle=args.shuffle, seed=args.seed
        )
        repeats = args.repeats if num_rows <= 100_000 else min(args.repeats, LARGE_BATCH_REPEATS)
        results.append(report(num_rows, measure(rows, repeats, CLOCKS[args.clock]), repeats))
    print_table(results)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
