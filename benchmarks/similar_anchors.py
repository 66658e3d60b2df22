"""Time similar anchors against the same greedy loop over rapidfuzz's ratio with its score cut-off.

    python benchmarks/similar_anchors.py --json results/bench/similar_anchors.json

There are 16 tasks of 400 rows; texts have 300 to 1,500 characters, and a quarter of a task's
distinct states are small edits of others. Both sides alternate in one process and must find the
same clusters. ``difflib`` is timed on a sample of 200 rows.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, write_figures
from rapidfuzz import fuzz

from rllib_gigpo.credit.anchors import similar_anchor_groups

NUM_TASKS, ROWS_PER_TASK = 16, 400
DISTINCT = (20, 100, 400)
THRESHOLD = 0.9
DIFFLIB_ROWS = 200
_SENTENCES = """
    you are in the kitchen living room wooden table on which lies an apple knife cookbook there is
    closed open door leading north south east west oven fridge stove carrying nothing red green blue
    key coin chest shelf lamp sofa here see can go take your score has gone up
"""
WORDS = _SENTENCES.split()


@dataclass(frozen=True, slots=True)
class Rows:
    """R texts with the task, trajectory and step of each."""

    texts: list[str]
    groups: np.ndarray
    trajectories: np.ndarray
    steps: np.ndarray

    def first(self, count: int) -> Rows:
        """Return the first ``count`` rows."""
        return Rows(
            self.texts[:count],
            self.groups[:count],
            self.trajectories[:count],
            self.steps[:count],
        )


def make_rows(num_distinct: int, rng: random.Random) -> Rows:
    """Draw texts: every state of a task once, then revisits."""
    texts: list[str] = []
    for _ in range(NUM_TASKS):
        states = make_states(num_distinct, rng)
        visits = states + [rng.choice(states) for _ in range(ROWS_PER_TASK - num_distinct)]
        rng.shuffle(visits)
        texts += [text[:50] + text[50:] for text in visits]  # new objects without a cached hash
    rows = np.arange(NUM_TASKS * ROWS_PER_TASK)
    return Rows(texts, rows // ROWS_PER_TASK, rows // 50, rows % 50)


def make_states(count: int, rng: random.Random) -> list[str]:
    """Draw distinct texts; a quarter of them are edits of others."""
    states = [make_text(rng.randint(300, 1500), rng) for _ in range(count)]
    for number in range(count // 4):
        edited = list(rng.choice(states))
        for _ in range(rng.randint(1, 20)):
            edited[rng.randrange(len(edited))] = rng.choice("abcdefgh ")
        states[number] = "".join(edited)
    return states


def make_text(length: int, rng: random.Random) -> str:
    """Draw a text of ``length`` characters."""
    return " ".join(rng.choices(WORDS, k=length // 2))[:length]


def plain_loop(rows: Rows) -> list[int]:
    """Put each text into the first cluster of its task whose founder is similar enough."""
    founders: dict[int, list[tuple[int, str]]] = {}
    labels: list[int] = []
    cutoff = 100 * THRESHOLD
    for row, (text, group) in enumerate(zip(rows.texts, rows.groups.tolist(), strict=True)):
        of_task = founders.setdefault(group, [])
        for label, founder in of_task:
            if fuzz.ratio(founder, text, score_cutoff=cutoff) > 0.0:
                labels.append(label)
                break
        else:
            of_task.append((row, text))
            labels.append(row)
    return labels


def ours(rows: Rows, ratio: str = "indel") -> np.ndarray:
    """Group the rows with the project's code."""
    return similar_anchor_groups(
        rows.texts, rows.groups, rows.trajectories, rows.steps, threshold=THRESHOLD, ratio=ratio
    )


def same_partition(labels: Any, others: Any) -> bool:
    """Return whether two labellings group the same rows."""
    pairs = set(zip(list(labels), list(others), strict=True))
    return len(pairs) == len(set(labels)) == len(set(others))


def measure(num_distinct: int, repeats: int) -> dict[str, float]:
    """Time both sides in turns, and difflib on a sample."""
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    for repeat in range(repeats):
        rows = make_rows(num_distinct, random.Random(repeat))
        start = time.perf_counter()
        expected = plain_loop(rows)
        seconds["plain"].append(time.perf_counter() - start)
        start = time.perf_counter()
        found = ours(rows)
        seconds["ours"].append(time.perf_counter() - start)
        assert same_partition(found.tolist(), expected), "both sides must find the same clusters"
    sample = make_rows(num_distinct, random.Random(0)).first(DIFFLIB_ROWS)
    start = time.perf_counter()
    ours(sample, "difflib")
    difflib_s = time.perf_counter() - start
    start = time.perf_counter()
    ours(sample)
    return {
        "distinct": num_distinct,
        "plain_s": statistics.median(seconds["plain"]),
        "ours_s": statistics.median(seconds["ours"]),
        "ratio": statistics.median(
            plain / own for plain, own in zip(seconds["plain"], seconds["ours"], strict=True)
        ),
        "difflib_200_rows_s": difflib_s,
        "ours_200_rows_s": time.perf_counter() - start,
    }


def figures_of(results: Sequence[dict[str, float]], repeats: int) -> list[Figure]:
    """Make the figures of each number of distinct states."""
    return [
        figure
        for row in results
        for figure in result_figures(
            f"similar_anchors/{row['distinct']}",
            {
                "loop_s": row["plain_s"],
                "ours_s": row["ours_s"],
                "loop_over_ours": row["ratio"],
                "difflib_200_rows_s": row["difflib_200_rows_s"],
            },
            targets={"loop_over_ours": ">= 3"},
            n=repeats,
        )
    ]


def main() -> None:
    """Measure each number of distinct states."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--distinct", type=int, nargs="+", default=list(DISTINCT))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = [measure(number, arguments.repeats) for number in arguments.distinct]
    heads = ("distinct", "plain s", "ours s", "ratio", "difflib s, 200 rows")
    print("  ".join(f"{head:>8}" for head in heads))
    for row in results:
        print(
            f"{row['distinct']:>8}  {row['plain_s']:>8.2f}  {row['ours_s']:>8.3f}"
            f"  {row['ratio']:>8.1f}  {row['difflib_200_rows_s']:>19.2f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.figures:
        write_figures(figures_of(results, arguments.repeats))


if __name__ == "__main__":
    main()
