"""Does the working tree compute what another commit computes? One job, twice, number by number.

    python benchmarks/same_numbers.py --against COMMIT
    python benchmarks/same_numbers.py --against COMMIT --iterations 1 --json results/same.json

Both sides run from copies in a temporary folder, each in its own process and environment.
That environment sees this one's packages but has the copy installed, so that entry points (vLLM's
plugin among them) are those of the copy, and the working tree may be edited meanwhile. Token ids
must be equal, floats may differ by ``--tolerance``. Exit status: 0 if all is the same, 1 if not, 2
if a side did not run.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

THIS_FILE = Path(__file__).resolve()
ROOT = THIS_FILE.parents[1]
EXPERIMENT = Path("tuned_examples/tiny/textworld_gigpo_tiny.py")
PACKAGE, DISTRIBUTION = "rllib_gigpo", "rllib-gigpo"
GROUPS = ("console_scripts", "vllm.general_plugins")  # of entry points
# Fields of TokenRows.
EXACT = ("token_ids", "prompt_lengths", "response_lengths", "minibatch_ids")
FLOATS = ("advantages", "rollout_logp", "weights", "old_values", "value_targets")
# Metrics with a line of their own; what else stands in TOPICS shares a line per topic.
METRICS = (
    "learners/default_policy/total_loss",
    "learners/default_policy/policy_loss",
    "learners/default_policy/grad_norm",
    "env_runners/success_rate",
)
TOPICS = ("learners/default_policy", "env_runners", "credit")
_TIMES = re.compile(r"(_s|_per_s|_throughput|_since_last_reduce|timers?|time)$")
# What would lead a side to another Ray or to other modules.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "RAY_ADDRESS", "VIRTUAL_ENV")
_NUM_CPUS, _OBJECT_STORE_BYTES = 2, 100 * 2**20


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared."""

    name: str
    folder: Path  # holds all of its files
    experiment: Path  # inside its tree, or absolute

    @property
    def tree(self) -> Path:
        """The copy of the code."""
        return self.folder / "tree"

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.folder / "environment" / "bin" / "python"

    @property
    def arrays(self) -> Path:
        """What it computed: ``<iteration>/<name>``."""
        return self.folder / "arrays.npz"

    @property
    def report(self) -> Path:
        """Its metrics, and the model that it started from."""
        return self.folder / "report.json"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the two sides are apart in one quantity of one iteration."""

    quantity: str
    iteration: int  # from 1
    largest: float  # absolute; infinite where sizes differ or one side lacks it
    num_different: int  # numbers, or metrics where several share a line
    where: str = ""  # the metric that differs most, where several share a line


def main(argv: Sequence[str] | None = None) -> int:
    """Run both sides, then compare."""
    args = parse_arguments(argv)
    if args.side:
        run_side(Path(args.side[0]), Path(args.side[1]), args.iterations, Path(args.side[2]))
        return 0
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
            print(f"A side did not run: {error}\n{details}", file=sys.stderr)
            return 2
        return compare(here, there, args)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--against", metavar="COMMIT", help="what the working tree is compared with")
    what.add_argument("--side", nargs=3, help=argparse.SUPPRESS)  # tree, experiment, output
    parser.add_argument(
        "--experiment", type=Path, default=EXPERIMENT, help="file with `config`, in the tree"
    )
    parser.add_argument("--experiment-against", type=Path, help="where COMMIT has it, if elsewhere")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=0.0, help="of floats, absolute")
    parser.add_argument("--json", type=Path, help="write the differences to this file")
    parser.add_argument(
        "--figure", metavar="ISSUE", type=int, help="write docs/results/figures.json for this issue"
    )
    return parser.parse_args(argv)


# ---------------------------------------------------------------------- two trees, two environments


def copy_working_tree(folder: Path) -> None:
    """Copy what git tracks or would track, as it lies here."""
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
    """Make a side's environment: this one's packages, and its own tree in editable mode.

    A path file only extends ``sys.path``. The path files of the folders that it names are not read,
    so that this environment's own editable installation is not seen there.
    """
    environment = side.python.parents[1]
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], capture_output=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site_packages / "packages.pth").write_text("\n".join(packages) + "\n")
    # Without --ignore-installed pip would take this environment's installation for an older one.
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    command = [str(side.python), "-m", "pip", "install", *options, "-e", str(side.tree)]
    _run(command, capture_output=True)


def train(side: Side, iterations: int) -> None:
    """Run a side's job in its environment: this file again, from outside of any tree."""
    print(f"== {side.name}", flush=True)
    command = [str(side.python), "-P", str(THIS_FILE), "--iterations", str(iterations)]
    command += ["--side", str(side.tree), str(side.tree / side.experiment), str(side.folder)]
    _run(command, cwd=side.folder)


def _run(command: Sequence[str], **options: Any) -> None:
    inherited = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    subprocess.run(command, check=True, env=inherited, **options)


def _git(*arguments: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True
    ).stdout


# ---------------------------------------------------------------------- inside a side's process


def run_side(tree: Path, experiment: Path, iterations: int, output: Path) -> None:
    """Train, and write down every iteration."""
    check_installation(tree)
    import ray

    start = time.perf_counter()
    config = runpy.run_path(str(experiment))["config"]
    ray.init(
        address="local",
        num_cpus=_NUM_CPUS,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
    )
    algorithm = config.build_algo()
    arrays, metrics, seconds = {}, [], [time.perf_counter() - start]
    for iteration in range(1, iterations + 1):
        start = time.perf_counter()
        result = algorithm.train()
        seconds.append(time.perf_counter() - start)
        arrays |= {f"{iteration}/{name}": array for name, array in rows_of(algorithm).items()}
        metrics.append(dict(numbers_of(result)))
        print(f"iteration {iteration}: {seconds[-1]:.0f} s", flush=True)
    algorithm.stop()
    check_modules(tree)
    np.savez(output / "arrays.npz", **arrays)
    report = {"metrics": metrics, "model": model_files(config), "seconds": seconds}
    (output / "report.json").write_text(json.dumps(report))


def check_installation(tree: Path) -> None:
    """Check that this process would load the tree's code, by whatever way.

    Raises:
        RuntimeError: Package, metadata or an entry point belong to another installation.
    """
    found = {"package": find_spec(PACKAGE), "environments": find_spec(f"{PACKAGE}.envs")}
    for entry in (one for group in GROUPS for one in metadata.entry_points(group=group)):
        if entry.module.partition(".")[0] == PACKAGE:
            found[f"{entry.group}: {entry.name}"] = find_spec(entry.module)
    places = {name: Path(spec.origin or "") for name, spec in found.items() if spec}
    wrong = {name: str(path) for name, path in places.items() if not path.is_relative_to(tree)}
    home = Path(str(metadata.distribution(DISTRIBUTION).locate_file("")))
    if wrong or len(places) < 2 + len(GROUPS) or not home.is_relative_to(sys.prefix):
        raise RuntimeError(
            f"{tree} is not what {sys.executable} has installed: metadata in {home}, found"
            f" {sorted(places)}, of these elsewhere {wrong}. Is {PACKAGE} installed in the calling"
            " environment other than by `pip install -e`?"
        )


def check_modules(tree: Path) -> None:
    """Check that all modules of the package that were loaded lie in the tree.

    Raises:
        RuntimeError: One does not.
    """
    loaded = {
        name: str(module.__file__)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == PACKAGE and getattr(module, "__file__", None)
    }
    wrong = {name: file for name, file in loaded.items() if not Path(file).is_relative_to(tree)}
    if wrong:
        raise RuntimeError(f"Modules were loaded from outside of {tree}: {wrong}")


def rows_of(algorithm: Any) -> dict[str, np.ndarray]:
    """The token rows that the last iteration trained on."""
    rows = algorithm.last_batch["token_rows"]
    arrays = {name: getattr(rows, name, None) for name in EXACT + FLOATS}
    return {name: np.asarray(array) for name, array in arrays.items() if array is not None}


def numbers_of(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield (path, value) of all numbers in the topics, without times."""
    for topic in TOPICS:
        value: Any = result
        for key in topic.split("/"):
            value = value.get(key, {})
        yield from _leaves(value, topic)


def _leaves(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/{key}")
        elif not _TIMES.search(str(key)) and np.ndim(value) == 0:
            yield f"{path}/{key}", float(value)


def model_files(config: Any) -> dict[str, str]:
    """Hash the files of the model that the run started from; {} if the config names none."""
    parts = (config, *vars(config).values())
    folders = [part.model_path for part in parts if getattr(part, "model_path", None)]
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(Path(folders[0]).iterdir() if folders else ())
        if file.is_file()
    }


# ---------------------------------------------------------------------- the comparison


def compare(here: Side, there: Side, args: argparse.Namespace) -> int:
    """Print what differs; 1 if anything does."""
    report, other = (json.loads(side.report.read_text()) for side in (here, there))
    with np.load(here.arrays) as arrays, np.load(there.arrays) as others:
        differences = [
            *array_differences(arrays, others, args.iterations),
            *metric_differences(report["metrics"], other["metrics"]),
        ]
    is_same = all(is_within(one, args.tolerance) for one in differences)
    print("\n".join(table_lines(differences, args.iterations)))
    print(model_line(report["model"], other["model"]))
    names, other_names = set(report["metrics"][0]), set(other["metrics"][0])
    for side, lacking in ((here, other_names - names), (there, names - other_names)):
        if lacking:
            print(f"not compared, because {side.name} lacks them: {', '.join(sorted(lacking))}")
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
        from figures import Figure, write_figures

        largest = max(one.largest for one in differences)
        write_figures(
            [Figure(args.figure, "main_job_largest_difference", largest, "0", args.iterations)]
        )
    return 0 if is_same else 1


def is_within(difference: Difference, tolerance: float) -> bool:
    """Whether a difference may be; token ids and labels must be equal."""
    if difference.quantity in EXACT:
        return difference.num_different == 0
    return difference.largest <= tolerance


def array_differences(
    arrays: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], iterations: int
) -> Iterator[Difference]:
    """Compare the token rows."""
    for quantity in EXACT + FLOATS:
        for iteration in range(1, iterations + 1):
            key = f"{iteration}/{quantity}"
            if key in arrays or key in others:
                yield difference(quantity, iteration, arrays.get(key), others.get(key))


def metric_differences(
    metrics: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]
) -> Iterator[Difference]:
    """Compare the metrics that both sides have; those of `METRICS` they must have."""
    for iteration, (ours, theirs) in enumerate(zip(metrics, others, strict=True), 1):
        for name in METRICS:
            yield difference(name, iteration, ours.get(name), theirs.get(name))
        for topic in TOPICS:
            names = sorted(name for name in ours.keys() & theirs if name.startswith(f"{topic}/"))
            found = [difference(name, iteration, ours[name], theirs[name]) for name in names]
            if found:
                worst = max(found, key=lambda one: (one.num_different, one.largest))
                number = sum(one.num_different for one in found)
                yield Difference(f"{topic}/...", iteration, worst.largest, number, worst.quantity)


def difference(quantity: str, iteration: int, one: Any, other: Any) -> Difference:
    """Compare two arrays or numbers; NaN equals NaN."""
    if one is None or other is None or np.shape(one) != np.shape(other):
        return Difference(quantity, iteration, np.inf, 1)
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    differs = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    distances = np.nan_to_num(np.abs(one - other)[differs], nan=np.inf, posinf=np.inf)
    largest = float(distances.max(initial=0.0))
    return Difference(quantity, iteration, largest, int(differs.sum()))


def as_record(difference: Difference) -> dict[str, Any]:
    """Lay a difference out for JSON, which cannot hold infinity: None stands for it."""
    record = asdict(difference)
    return record if math.isfinite(difference.largest) else {**record, "largest": None}


def table_lines(differences: Sequence[Difference], iterations: int) -> Iterator[str]:
    """Lay out the largest difference of each quantity, iteration by iteration."""
    cells = {(one.quantity, one.iteration): one for one in differences}
    numbers = range(1, iterations + 1)
    head = "largest difference (how many)"
    yield f"{head:38}" + "".join(f"{f'iteration {number}':>16}" for number in numbers)
    for quantity in dict.fromkeys(one.quantity for one in differences):
        of_one = [cells.get((quantity, number)) for number in numbers]
        notes = dict.fromkeys(one.where for one in of_one if one and one.num_different)
        note = ", ".join(name.rpartition("/")[2] for name in notes if name)
        cells_of_one = "".join(f"{_cell(one):>16}" for one in of_one)
        yield f"{quantity:38}{cells_of_one}  {note}".rstrip()


def _cell(one: Difference | None) -> str:
    if one is None:
        return "-"
    if one.num_different == 0:
        return "same"
    return (
        f"{one.largest:.3g} ({one.num_different})" if math.isfinite(one.largest) else "other size"
    )


def model_line(model: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Say whether both sides started from the same files."""
    if not model or not other:
        return "model: not found in the config of both sides"
    unequal = [name for name in sorted({*model, *other}) if model.get(name) != other.get(name)]
    return f"model: {'other bytes in ' + ', '.join(unequal) if unequal else 'the same bytes'}"


if __name__ == "__main__":
    sys.exit(main())
