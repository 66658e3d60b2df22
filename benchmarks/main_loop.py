"""Time an iteration of the main job, here and at another commit.

    python benchmarks/main_loop.py --against da50f96 --figures

Both commits run the main job in turns, each run in its own process and with this Python. A run's
time is the median of its last iterations, and a commit's time is the median of its runs. Each run
writes one JSON file; a run whose file exists is skipped, so an interrupted command resumes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import ROOT, Figure, add_figures_option, current_commit, result_figures, write_figures

ISSUE = 14
TARGET = "<= 0.5"
# Where the main job is, in this commit and in older ones.
EXPERIMENTS = (
    "tuned_examples/tiny/textworld_gigpo_tiny.py",
    "tuned_examples/textworld_gigpo_tiny.py",
)
PHASES = ("sample", "credit", "learn", "sync")  # reported as timers/<name>_s


def main(argv: Sequence[str] | None = None) -> int:
    """Do the missing runs, then compare the commits."""
    arguments = parse_arguments(argv)
    if arguments.one:
        run_one(arguments.one, num_iterations=arguments.iterations)
        return 0
    here, there = current_commit(), arguments.against
    folders = {commit: arguments.output / commit for commit in (here, there)}
    with checkout(there) as root:
        roots = {here: ROOT, there: root}
        for number in range(arguments.runs):
            for commit, folder in folders.items():
                file = folder / f"run_{number}.json"
                if not file.exists():
                    print(f"== {commit}, run {number}", flush=True)
                    run_in(roots[commit], file, num_iterations=arguments.iterations)
    times = {
        commit: commit_times(
            [json.loads((folder / f"run_{n}.json").read_text()) for n in range(arguments.runs)],
            last=arguments.last,
        )
        for commit, folder in folders.items()
    }
    print(table(times))
    if arguments.figures:
        write_figures(figures_of(times[here], times[there], num_runs=arguments.runs))
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--against", default="da50f96", metavar="COMMIT")
    parser.add_argument("--runs", type=int, default=3, help="runs of each commit")
    parser.add_argument("--iterations", type=int, default=35, help="iterations of each run")
    parser.add_argument("--last", type=int, default=10, help="iterations that count")
    parser.add_argument("--output", type=Path, default=Path("results/main_loop"))
    parser.add_argument("--one", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.last <= arguments.iterations:
        parser.error(f"--last must be from 1 to --iterations; got {arguments.last}")
    return arguments


# ---------------------------------------------------------------------- runs


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Write a commit's files to a temporary folder."""
    command = ["git", "archive", "--format=tar", commit]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory(prefix="main_loop-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


def run_in(root: Path, file: Path, *, num_iterations: int) -> None:
    """Run a checkout's main job in its own process, which writes ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--one", str(file.resolve())]
    command += ["--iterations", str(num_iterations), "--last", "1"]
    # PYTHONPATH precedes the installed package, also in Ray's processes.
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True)


def run_one(file: Path, *, num_iterations: int) -> None:
    """Run the main job of the checkout in the working directory, and write its times to ``file``.

    It uses only what both commits have: the experiment file, `build_algo`, `train` and the result.
    """
    import runpy

    import ray

    import rllib_gigpo
    import rllib_gigpo.envs

    root = Path.cwd().resolve()
    for package in (rllib_gigpo, rllib_gigpo.envs):
        assert Path(str(package.__file__)).resolve().is_relative_to(root), package.__file__
    experiment = next(path for path in EXPERIMENTS if (root / path).is_file())
    config = runpy.run_path(experiment)["config"]
    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = config.build_algo()
    iterations = [timed_iteration(algorithm) for _ in range(num_iterations)]
    algorithm.stop()
    ray.shutdown()
    part = file.with_suffix(".part")  # so that a file is whole
    part.write_text(json.dumps({"iterations": iterations}) + "\n")
    part.replace(file)


def timed_iteration(algorithm: Any) -> dict[str, float]:
    """Return the seconds of one iteration and of its phases, its success and its steps."""
    start = time.perf_counter()
    result = algorithm.train()
    seconds = time.perf_counter() - start
    phases = {f"{name}_s": result["timers"][f"{name}_s"] for name in PHASES}
    played = {name: result["env_runners"][name] for name in ("success_rate", "num_env_steps")}
    print(f"{seconds:6.2f} s, success {played['success_rate']:.2f}", flush=True)
    return {"seconds": seconds, **phases, "rest_s": seconds - sum(phases.values()), **played}


# ---------------------------------------------------------------------- comparison


def commit_times(runs: Sequence[Mapping[str, Any]], *, last: int) -> dict[str, float]:
    """Return a commit's seconds per iteration and phase: medians of iterations, then of runs."""
    names = ("seconds", *(f"{name}_s" for name in (*PHASES, "rest")))
    return {
        name: statistics.median(
            statistics.median(one[name] for one in run["iterations"][-last:]) for run in runs
        )
        for name in names
    }


def table(times: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out the seconds of both commits, and their ratio, by phase."""
    here, there = times.values()
    lines = ["| | " + " | ".join(times) + " | ratio |", "|---|---|---|---|"]
    for name, here_s in here.items():
        label = "iteration" if name == "seconds" else name.removesuffix("_s")
        ratio = here_s / there[name] if there[name] else float("nan")
        lines.append(f"| {label} | {here_s:.3f} s | {there[name]:.3f} s | {ratio:.2f} |")
    return "\n".join(lines)


def figures_of(
    here: Mapping[str, float], there: Mapping[str, float], *, num_runs: int
) -> list[Figure]:
    """Make the figures: the ratio, and the seconds behind it."""
    ratio = here["seconds"] / there["seconds"]
    return [
        Figure(ISSUE, "main_job_ratio", ratio, TARGET, num_runs),
        *result_figures("main_job/here", here, n=num_runs, issue=ISSUE),
        *result_figures("main_job/against", there, n=num_runs, issue=ISSUE),
    ]


if __name__ == "__main__":
    sys.exit(main())
