"""Check that the working tree computes the same numbers as another commit, in one job.

    python benchmarks/same_numbers.py --against COMMIT
    python benchmarks/same_numbers.py --against COMMIT --iterations 1 --json results/same.json

Both sides run from copies in a temporary folder, each in its own process and environment, so you
can edit the working tree meanwhile. Each environment sees the packages of this one but has its copy
installed, so entry points, such as vLLM's plugin, come from the copy. Token ids must be equal;
floats may differ by ``--tolerance``. Exit status: 0 if all numbers are the same, 1 if not, 2 if a
side failed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, write_figures
from number_differences import (
    Difference,
    array_differences,
    as_record,
    is_within,
    metric_differences,
    model_line,
    table_lines,
)
from record_numbers import ARRAYS, REPORT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EXPERIMENT = Path("tuned_examples/tiny/textworld_gigpo_tiny.py")
# They would lead a side to another Ray or to other modules.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "RAY_ADDRESS", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two trees to compare."""

    name: str
    folder: Path  # holds all its files
    experiment: Path  # relative to its tree, or absolute

    @property
    def tree(self) -> Path:
        """Copy of the code."""
        return self.folder / "tree"

    @property
    def python(self) -> Path:
        """Interpreter of its environment."""
        return self.folder / "environment" / "bin" / "python"

    @property
    def arrays(self) -> Path:
        """File of its arrays, named ``<iteration>/<name>``."""
        return self.folder / ARRAYS

    @property
    def report(self) -> Path:
        """File of its metrics, its times and the hashes of its initial model."""
        return self.folder / REPORT


def main(argv: Sequence[str] | None = None) -> int:
    """Run both sides, then compare them."""
    args = parse_arguments(argv)
    with tempfile.TemporaryDirectory(prefix="same_numbers_") as folder:
        other = args.experiment_against or args.experiment
        here = Side("working tree", Path(folder, "here"), args.experiment)
        there = Side(args.against, Path(folder, "there"), other)
        try:
            copy_working_tree(here.tree)
            check_out(args.against, there.tree)
            for side in (there, here):
                prepare(side)
                train(side, args.iterations)
        except subprocess.CalledProcessError as error:
            details = (error.stderr or b"").decode()
            print(f"A side failed: {error}\n{details}", file=sys.stderr)
            return 2
        return compare(here, there, args)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", required=True, help="commit to compare with")
    parser.add_argument(
        "--experiment", type=Path, default=EXPERIMENT, help="file with `config`, in the tree"
    )
    parser.add_argument("--experiment-against", type=Path, help="its path in COMMIT, if different")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=0.0, help="absolute, for floats")
    parser.add_argument("--json", type=Path, help="write the differences to this file")
    parser.add_argument(
        "--figure", metavar="ISSUE", type=int, help="write the figure of this issue to figures.json"
    )
    return parser.parse_args(argv)


# ---------------------------------------------------------------------- two trees, two environments


def copy_working_tree(folder: Path) -> None:
    """Copy the files that git tracks or would track, with their current content."""
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def check_out(commit: str, folder: Path) -> None:
    """Write the files of a commit."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")


def prepare(side: Side) -> None:
    """Make a side's environment: the packages of this one, and its tree in editable mode.

    A path file only extends ``sys.path``. Python ignores the path files in the folders that it
    names, so the new environment does not see the editable installation of this one.
    """
    environment = side.python.parents[1]
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], capture_output=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site_packages / "packages.pth").write_text("\n".join(packages) + "\n")
    # Without --ignore-installed, pip would take the installation of this environment for an older
    # one.
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    command = [str(side.python), "-m", "pip", "install", *options, "-e", str(side.tree)]
    _run(command, capture_output=True)


def train(side: Side, iterations: int) -> None:
    """Record a side's job in its environment."""
    print(f"== {side.name}", flush=True)
    command = [str(side.python), "-P", str(HERE / "record_numbers.py")]
    command += [str(side.tree), str(side.tree / side.experiment), str(side.folder)]
    _run([*command, "--iterations", str(iterations)], cwd=side.folder)


def _run(command: Sequence[str], **options: Any) -> None:
    inherited = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    subprocess.run(command, check=True, env=inherited, **options)


def _git(*arguments: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True
    ).stdout


# ---------------------------------------------------------------------- the comparison


def compare(here: Side, there: Side, args: argparse.Namespace) -> int:
    """Print the differences; return 1 if there are any, else 0."""
    report, other = (json.loads(side.report.read_text()) for side in (here, there))
    with np.load(here.arrays) as arrays, np.load(there.arrays) as others:
        differences: list[Difference] = [
            *array_differences(arrays, others, args.iterations),
            *metric_differences(report["metrics"], other["metrics"]),
        ]
    is_same = all(is_within(one, args.tolerance) for one in differences)
    print("\n".join(table_lines(differences, args.iterations)))
    print(model_line(report["model"], other["model"]))
    names, other_names = set(report["metrics"][0]), set(other["metrics"][0])
    for side, lacking in ((here, other_names - names), (there, names - other_names)):
        if lacking:
            print(f"not compared, missing in {side.name}: {', '.join(sorted(lacking))}")
    print(f"{'the same' if is_same else 'NOT the same'} within {args.tolerance:g}")
    if args.json:
        record = {
            "against": args.against,
            "experiments": [str(here.experiment), str(there.experiment)],
            "tolerance": args.tolerance,
            "is_same": is_same,
            "has_same_model": report["model"] == other["model"],
            "only_one_has": sorted(names ^ other_names),
            "seconds": {here.name: report["seconds"], there.name: other["seconds"]},
            "differences": [as_record(one) for one in differences if one.num_different],
        }
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(record, indent=1) + "\n")
    if args.figure is not None:
        largest = max(one.largest for one in differences)
        write_figures(
            [Figure(args.figure, "main_job_largest_difference", largest, "0", args.iterations)]
        )
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
