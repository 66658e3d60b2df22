"""Compare this project with TRL's GRPO on the main job: Learner, rollouts and whole loop.

    sh benchmarks/peers/setup_trl.sh
    python benchmarks/peers/compare_trl.py --output results/peers [--figures]

Both sides run as processes of their own, in turns, with the same number of threads. A run's result
is a JSON file in ``--output``; a run that has one is not repeated, so the command resumes.
README.md in this folder says what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(FOLDER.parent))
from figures import Figure, add_figures_option, write_figures  # noqa: E402 - in benchmarks/
from side_report import parse_result  # noqa: E402

ISSUE = 14
TARGETS = {"trl_learner": ">= 1", "trl_learner_shared": ">= 2", "trl_episodes": ">= 2"}
TRL_PYTHON = ROOT / ".venv-trl" / "bin" / "python"
OURS, TRL = "ours", "trl"
OUR_SIDE, TRL_SIDE = "our_side.py", "trl_side.py"

Results = Mapping[str, Sequence[Mapping[str, Any]]]


def run_side(script: str, *options: str, threads: int) -> str:
    """Run one side's script in its virtual environment and return what it prints.

    Raises:
        SystemExit: The script failed.
    """
    python = str(TRL_PYTHON) if script == TRL_SIDE else sys.executable
    command = [python, str(FOLDER / script), *options, "--threads", str(threads)]
    settings = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}; see above.")
    return done.stdout


def planned_runs(arguments: argparse.Namespace, *, is_shared: bool) -> dict[str, list[str]]:
    """Return the script and options of each run of one round, by the run's name."""
    job, repeats = str(arguments.output / "job"), ["--repeats", str(arguments.repeats)]
    iterations = ["--iterations", str(arguments.iterations)]
    runs = {}
    if "learner" in arguments.parts:
        for rows in arguments.rows:
            on_rows = ["learner", job, "--rows", rows, *repeats]
            runs[f"learner_{rows}_{OURS}"] = [OUR_SIDE, *on_rows]
            if is_shared:
                runs[f"learner_{rows}_{OURS}_shared"] = [OUR_SIDE, *on_rows, "--shared"]
            runs[f"learner_{rows}_{TRL}"] = [TRL_SIDE, *on_rows]
            recomputed = [TRL_SIDE, *on_rows, "--old-logp", "recomputed"]
            runs[f"learner_{rows}_{TRL}_recomputed"] = recomputed
    if "loop" in arguments.parts:
        runs[f"loop_{OURS}"] = [OUR_SIDE, "loop", job, *iterations]
        runs[f"loop_{TRL}"] = [TRL_SIDE, "loop", job, *iterations]
    return runs


def run_all(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Do the missing runs, round after round, and return all results by name."""
    job = arguments.output / "job"
    if not (job / "late.npz").is_file():
        run_side(
            OUR_SIDE, "record", str(job), "--late", str(arguments.late), threads=arguments.threads
        )
    results: dict[str, list[dict[str, Any]]] = {}
    for round_number in range(arguments.rounds):
        for name, command in planned_runs(arguments, is_shared=arguments.shared).items():
            file = arguments.output / f"{name}_{round_number}.json"
            if not file.is_file():
                print(f"running {file.stem}", flush=True)
                result = parse_result(run_side(*command, threads=arguments.threads))
                file.write_text(json.dumps(result, indent=1))
            results.setdefault(name, []).append(json.loads(file.read_text()))
    return results


def learner_rate(runs: Sequence[Mapping[str, Any]], clock: str) -> float:
    """Return tokens per second: a run's tokens over the median seconds of all its updates.

    Args:
        runs: The rounds of one side.
        clock: "wall_s" or "cpu_s".
    """
    seconds = [one for run in runs for one in run[clock]]
    return float(runs[0]["num_tokens"]) / statistics.median(seconds)


def loop_rates(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the rates of a side's loop over all iterations of all rounds.

    Returns:
        Episodes a minute of the whole loop, its steps a minute, steps a second of the rollouts
        alone, and the seconds of an iteration's rollout and update.
    """
    lines = [line for run in runs for line in run["iterations"]]
    total = {name: sum(line[name] for line in lines) for name in lines[0]}
    return {
        "episodes_per_min": 60.0 * total["num_episodes"] / total["seconds"],
        "steps_per_min": 60.0 * total["num_steps"] / total["seconds"],
        "rollout_steps_per_s": total["num_steps"] / total["rollout_s"],
        "rollout_s": total["rollout_s"] / len(lines),
        "update_s": total["update_s"] / len(lines),
        "success_rate": total["success_rate"] / len(lines),
    }


def ratios(results: Results, clock: str) -> dict[str, float]:
    """Return our rates over TRL's; a ratio over several kinds of rows is the lowest.

    Args:
        results: The runs, by name.
        clock: The clock of the Learners; loops have wall seconds only.
    """
    found: dict[str, float] = {}
    for rows in ("early", "late"):
        rates = {
            name.removeprefix(f"learner_{rows}_"): learner_rate(runs, clock)
            for name, runs in results.items()
            if name.startswith(f"learner_{rows}_")
        }
        for ours, theirs, ratio in (
            (OURS, TRL, "trl_learner"),
            (f"{OURS}_shared", TRL, "trl_learner_shared"),
            (OURS, f"{TRL}_recomputed", "trl_learner_recomputed"),
        ):
            if ours in rates and theirs in rates:
                value = rates[ours] / rates[theirs]
                found[ratio] = min(value, found.get(ratio, value))
    if f"loop_{OURS}" in results:
        ours_loop, trl_loop = (loop_rates(results[f"loop_{side}"]) for side in (OURS, TRL))
        for ratio, rate in (
            ("trl_episodes", "episodes_per_min"),
            ("trl_steps", "steps_per_min"),
            ("trl_rollouts", "rollout_steps_per_s"),
        ):
            found[ratio] = ours_loop[rate] / trl_loop[rate]
    return found


def figures_of(found: Mapping[str, float], rounds: int) -> list[Figure]:
    """Make the figures of the ratios."""
    return [Figure(ISSUE, name, value, TARGETS.get(name), rounds) for name, value in found.items()]


def table(results: Results, found: Mapping[str, float], clock: str) -> Iterator[str]:
    """Yield the lines of a table of all runs and ratios."""
    for name, runs in results.items():
        load = max(run["load_average"] for run in runs)
        if name.startswith("learner"):
            parts = {"tokens/s": learner_rate(runs, clock)}
        else:
            parts = loop_rates(runs)
        shown = ", ".join(f"{part} {value:,.2f}" for part, value in parts.items())
        yield f"{name:32} {shown} (load {load:.1f})"
    for name, value in found.items():
        target = f" (target {TARGETS[name]})" if name in TARGETS else ""
        yield f"{name:32} {value:.2f}{target}"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/peers"))
    parser.add_argument(
        "--parts", nargs="+", choices=("learner", "loop"), default=["learner", "loop"]
    )
    parser.add_argument("--rows", nargs="+", choices=("early", "late"), default=["early", "late"])
    parser.add_argument("--shared", action="store_true", help="also measure prefix_sharing=True")
    parser.add_argument("--late", type=int, default=30, help="the iteration of the late rows")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--repeats", type=int, default=5, help="timed updates of a turn")
    parser.add_argument("--iterations", type=int, default=3, help="timed iterations of a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: for a machine that others use",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Measure, print a table, and write figures."""
    arguments = parse_arguments()
    if not TRL_PYTHON.exists():
        raise SystemExit("TRL's environment is missing; run: sh benchmarks/peers/setup_trl.sh")
    arguments.output = arguments.output.resolve()
    results = run_all(arguments)
    clock = f"{arguments.clock}_s"
    found = ratios(results, clock)
    print("\n".join(table(results, found, clock)))
    if arguments.figures:
        write_figures(figures_of(found, arguments.rounds))


if __name__ == "__main__":
    main()
