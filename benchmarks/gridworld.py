"""Compare all credit rules on a tabular grid world, with the project's own credit code.

    python benchmarks/gridworld.py --output results/gridworld

A task is a start and a goal in a maze of 9 x 9 cells. The policy is not a neural network but a
table of logits, one row per goal and cell, trained by Adam. The reward is 1 at the goal, an episode
has at most 40 steps, and an iteration has 16 tasks of 8 episodes. The same seed gives every variant
the same tasks. One JSON file per variant holds its finished seeds, so an interrupted command
resumes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, slug, write_figures
from paired import PairedDifference, paired_difference

from rllib_gigpo import columns as names
from rllib_gigpo.credit.anchors import exact_anchor_groups, next_labels
from rllib_gigpo.credit.returns import episode_returns, step_returns
from rllib_gigpo.credit.rules import make_rule
from rllib_gigpo.reports import plots

MAZE = (
    "#########",
    "#   #   #",
    "# # # # #",
    "# #   # #",
    "# ##### #",
    "#   #   #",
    "### # ###",
    "#       #",
    "#########",
)
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
MAX_STEPS, GROUP_SIZE, NUM_GROUPS, GAMMA = 40, 8, 16, 0.95
LEARNING_RATE, CRITIC_RATE = 0.03, 0.3
LAST = 10  # the final success averages this many iterations

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "gigpo": ("gigpo", {}),
    "gigpo, no A^S": ("gigpo", {"step_weight": 0.0}),
    "gigpo, no A^E": ("gigpo", {"episode_weight": 0.0}),
    "gigpo, F = std": ("gigpo", {"normalize_by_std": True}),
    "gigpo, omega 0.4": ("gigpo", {"step_weight": 0.4}),
    "gigpo, omega 1.2": ("gigpo", {"step_weight": 1.2}),
    "grpo": ("grpo", {}),
    "dr-grpo": ("grpo", {"normalize_by_std": False}),
    "rloo": ("rloo", {}),
    "reinforce_pp": ("reinforce_pp", {}),
    "reinforce_pp, group": ("reinforce_pp", {"return_baseline": "group"}),
    "step_reinforce": ("step_reinforce", {}),
    "hgpo": ("hgpo", {}),
    "hgpo + A^E": ("hgpo", {"episode_term": True}),
    "bipace_q": ("bipace_q", {}),
    "bipace_q + A^E": ("bipace_q", {"episode_term": True}),
    "proxmo": ("proxmo", {}),
    "anchor_gae": ("anchor_gae", {"gamma": GAMMA}),
    "graphgpo": ("graphgpo", {}),
    "g2po": ("g2po", {"gamma": GAMMA}),
    "bepo": ("bepo", {"gamma": GAMMA}),
    "ppo": ("ppo", {"gamma": GAMMA}),
}


class GridWorld:
    """The maze with numbered free cells; a move into a wall has no effect."""

    def __init__(self) -> None:
        """Build the table of moves."""
        cells = [(y, x) for y, row in enumerate(MAZE) for x, c in enumerate(row) if c == " "]
        number = {cell: index for index, cell in enumerate(cells)}
        self.num_cells = len(cells)
        self.texts = [f"row{y} column{x}" for y, x in cells]
        self.next_cell = np.array(
            [
                [number.get((y + dy, x + dx), number[y, x]) for dy, dx in MOVES.tolist()]
                for y, x in cells
            ]
        )

    def draw_tasks(self, rng: np.random.Generator) -> np.ndarray:
        """Draw starts and goals, (2, NUM_GROUPS), never the same cell."""
        starts = rng.integers(0, self.num_cells, NUM_GROUPS)
        goals = (starts + rng.integers(1, self.num_cells, NUM_GROUPS)) % self.num_cells
        return np.stack([starts, goals])


class Adam:
    """The optimiser of one table, arXiv 1412.6980."""

    def __init__(self, shape: tuple[int, ...], rate: float) -> None:
        """Start with moments of 0."""
        self._rate, self._step = rate, 0
        self._mean, self._square = np.zeros(shape), np.zeros(shape)

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """Turn an ascent gradient into a change of the table."""
        self._step += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.001 * (gradient**2 - self._square)
        mean = self._mean / (1 - 0.9**self._step)
        square = self._square / (1 - 0.999**self._step)
        return self._rate * mean / (np.sqrt(square) + 1e-8)


@dataclass(slots=True)
class Learner:
    """A table of logits, and a table of values for rules with a critic."""

    world: GridWorld
    logits: np.ndarray
    values: np.ndarray
    optimizer: Adam

    @classmethod
    def new(cls, world: GridWorld) -> Learner:
        """Start with the uniform policy."""
        shape = (world.num_cells**2, len(MOVES))
        return cls(world, np.zeros(shape), np.zeros(shape[0]), Adam(shape, LEARNING_RATE))

    def probabilities(self) -> np.ndarray:
        """Return the policy, (states, moves)."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def play(self, tasks: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Play GROUP_SIZE episodes of each task; return one row per step, in arbitrary order."""
        starts, goals = np.repeat(tasks, GROUP_SIZE, axis=1)
        cells, alive = starts.copy(), np.arange(len(starts))
        cumulative = self.probabilities().cumsum(axis=1)
        rows: list[np.ndarray] = []
        for step in range(MAX_STEPS):
            states = goals[alive] * self.world.num_cells + cells[alive]
            draws = rng.random((len(alive), 1))
            moves = (draws > cumulative[states]).sum(axis=1).clip(max=len(MOVES) - 1)
            cells[alive] = self.world.next_cell[cells[alive], moves]
            won = cells[alive] == goals[alive]
            following = goals[alive] * self.world.num_cells + cells[alive]
            cut = ~won & (step == MAX_STEPS - 1)
            rows.append(
                np.stack([alive, np.full(len(alive), step), states, moves, won, cut, following])
            )
            alive = alive[~won]
        trajectories, steps, states, moves, won, cut, following = np.concatenate(rows, axis=1)
        rewards = won.astype(np.float64)
        groups = trajectories // GROUP_SIZE
        anchor_groups = exact_anchor_groups(states.tolist(), groups)
        return {
            "states": states,
            "moves": moves,
            names.GROUP_IDS: groups,
            names.TAG_IDS: np.zeros_like(groups),
            names.TRAJECTORY_IDS: trajectories,
            names.STEP_IDS: steps,
            names.REWARDS: rewards,
            names.ROW_PENALTIES: np.zeros_like(rewards),
            names.ANCHORS: [self.world.texts[state % self.world.num_cells] for state in states],
            names.ACTION_IDS: moves,
            names.WON: np.isin(trajectories, trajectories[won == 1]),
            names.RESPONSE_LENGTHS: np.ones_like(groups),
            names.EPISODE_RETURNS: episode_returns(rewards, trajectories),
            names.STEP_RETURNS: step_returns(rewards, trajectories, steps, gamma=GAMMA),
            names.ANCHOR_GROUP_IDS: anchor_groups,
            names.NEXT_ANCHOR_GROUP_IDS: next_labels(anchor_groups, trajectories, steps),
            names.VALUES: self.values[states],
            names.BOOTSTRAP_VALUES: self.values[following] * cut,
        }

    def learn(self, batch: Mapping[str, np.ndarray], advantages: np.ndarray) -> None:
        """Take one step along the policy gradient, averaged over the rows."""
        states, moves = batch["states"], batch["moves"]
        probabilities = self.probabilities()[states]
        scores = -probabilities * advantages[:, None]
        scores[np.arange(len(moves)), moves] += advantages
        gradient = np.zeros_like(self.logits)
        np.add.at(gradient, states, scores / len(moves))
        self.logits += self.optimizer.step(gradient)

    def learn_values(self, batch: Mapping[str, np.ndarray], targets: np.ndarray) -> None:
        """Move the value of each visited state towards its mean target."""
        states = batch["states"]
        counts = np.bincount(states, minlength=len(self.values))
        errors = np.bincount(states, targets - self.values[states], len(self.values))
        self.values += CRITIC_RATE * errors / np.maximum(counts, 1)


def run(variant: str, seed: int, num_iterations: int) -> dict[str, Any]:
    """Train one policy; return its success per iteration, its seconds and its cost of credit."""
    name, options = VARIANTS[variant]
    rule = make_rule(name, **options)
    world = GridWorld()
    learner = Learner.new(world)
    task_rng, rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    success, credit_s, num_rows = [], 0.0, 0
    start = time.perf_counter()
    for _ in range(num_iterations):
        batch = learner.play(world.draw_tasks(task_rng), rng)
        credit_start = time.perf_counter()
        advantages = rule(batch)
        credit_s += time.perf_counter() - credit_start
        num_rows += len(batch[names.REWARDS])
        success.append(float(batch[names.REWARDS].sum()) / (NUM_GROUPS * GROUP_SIZE))
        learner.learn(batch, advantages.total)
        if advantages.value_targets is not None:
            learner.learn_values(batch, advantages.value_targets)
    return {
        "seed": seed,
        "success": success,
        "seconds": time.perf_counter() - start,
        "credit_us_per_row": 1e6 * credit_s / num_rows,
    }


def train_missing(variant: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the seeds that are missing from a variant's file; return all its records."""
    file = args.output / f"{variant.replace(', ', '_').replace(' ', '_')}.json"
    records = json.loads(file.read_text()) if file.exists() else []
    done = {record["seed"] for record in records if len(record["success"]) == args.iterations}
    records = [record for record in records if record["seed"] in done]
    for seed in range(args.seeds):
        if seed not in done:
            records.append(run(variant, seed, args.iterations))
            part = file.with_suffix(".part")
            part.write_text(json.dumps(records))
            part.replace(file)
    return [record for record in records if record["seed"] < args.seeds]


def table_lines(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Lay the variants out as a Markdown table, with differences to grpo paired by seed."""
    lines = [
        f"| variant | success, last {LAST} | mean over all | minus grpo, last {LAST} [95 %]"
        " | seconds a run | credit, µs a row |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for variant, records in results.items():
        values = summarize(records)
        found = over_grpo(variant, results)
        cells = [
            variant,
            f"{values['success_mean']:.3f} ± {values['success_std']:.3f}",
            f"{values['mean_over_all']:.3f}",
            f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else "",
            f"{values['seconds']:.1f}",
            f"{values['credit_us_per_row']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Average the seeds of one variant; the names are those of the figures."""
    finals = finals_of(records)
    return {
        "success_mean": statistics.fmean(finals),
        "success_std": statistics.stdev(finals),
        "mean_over_all": statistics.fmean(
            statistics.fmean(record["success"]) for record in records
        ),
        "seconds": statistics.fmean(record["seconds"] for record in records),
        "credit_us_per_row": statistics.median(record["credit_us_per_row"] for record in records),
    }


def finals_of(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the success in the last iterations, by seed."""
    by_seed = sorted(records, key=lambda record: record["seed"])
    return [statistics.fmean(record["success"][-LAST:]) for record in by_seed]


def over_grpo(
    variant: str, results: Mapping[str, Sequence[Mapping[str, Any]]]
) -> PairedDifference | None:
    """Compare a variant with grpo by seed; None for grpo itself and without runs of grpo."""
    if variant == "grpo" or "grpo" not in results or len(results["grpo"]) < 2:
        return None
    return paired_difference(finals_of(results[variant]), finals_of(results["grpo"]))


def figures_of(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Figure]:
    """Make the figures of all variants."""
    figures = []
    for variant, records in results.items():
        found = over_grpo(variant, results)
        values = summarize(records) | (found.values("over_grpo") if found else {})
        figures += result_figures(f"gridworld/{slug(variant)}", values, n=len(records))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Train the missing runs, then compare all variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/gridworld"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    results = {variant: train_missing(variant, args) for variant in args.variants}
    table = "\n".join(table_lines(results))
    (args.output / "table.md").write_text(table + "\n")
    best_first = sorted(results, key=lambda variant: -statistics.fmean(finals_of(results[variant])))
    curves = {
        variant: [record["success"] for record in results[variant]]
        for variant in best_first
        if "gigpo," not in variant
    }
    figure = plots.mean_curves(curves, title="tabular grid world")
    plots.save(figure, args.output / "gridworld.png")
    print(table)
    if args.figures:
        write_figures(figures_of(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
