"""Train a job and record its numbers: the token rows and metrics of every iteration.

    python -P record_numbers.py TREE EXPERIMENT FOLDER --iterations 3

`same_numbers.py` runs this file in the process of each side. ``-P`` keeps this folder off
``sys.path``, so the file imports nothing from it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import runpy
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE, DISTRIBUTION = "rllib_gigpo", "rllib-gigpo"
GROUPS = ("console_scripts", "vllm.general_plugins")  # of entry points
# Fields of TokenRows.
EXACT = ("token_ids", "prompt_lengths", "response_lengths", "minibatch_ids")
FLOATS = ("advantages", "rollout_logp", "weights", "old_values", "value_targets")
# Parts of the result whose numbers are recorded.
TOPICS = ("learners/default_policy", "env_runners", "credit")
# In the output folder.
ARRAYS, REPORT = "arrays.npz", "report.json"
_TIMES = re.compile(r"(_s|_per_s|_throughput|_since_last_reduce|timers?|time)$")
_NUM_CPUS, _OBJECT_STORE_BYTES = 2, 100 * 2**20


def main() -> None:
    """Train and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path, help="the code that must run")
    parser.add_argument("experiment", type=Path, help="file with `config`")
    parser.add_argument("folder", type=Path, help="folder for the output")
    parser.add_argument("--iterations", type=int, required=True)
    args = parser.parse_args()
    record(args.tree, args.experiment, args.folder, iterations=args.iterations)


def record(tree: Path, experiment: Path, folder: Path, *, iterations: int) -> None:
    """Train, and write the numbers of every iteration to ``folder``."""
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
    np.savez(folder / ARRAYS, **arrays)
    report = {"metrics": metrics, "model": model_files(config), "seconds": seconds}
    (folder / REPORT).write_text(json.dumps(report))


def check_installation(tree: Path) -> None:
    """Check that the package, its metadata and its entry points come from the tree.

    Raises:
        RuntimeError: One of them belongs to another installation.
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
            f"{sys.executable} does not have {tree} installed: its metadata is in {home}, it found"
            f" {sorted(places)}, and these are elsewhere: {wrong}. Install {PACKAGE} in the calling"
            " environment with `pip install -e` only."
        )


def check_modules(tree: Path) -> None:
    """Check that all loaded modules of the package come from the tree.

    Raises:
        RuntimeError: A module comes from elsewhere.
    """
    loaded = {
        name: str(module.__file__)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == PACKAGE and getattr(module, "__file__", None)
    }
    wrong = {name: file for name, file in loaded.items() if not Path(file).is_relative_to(tree)}
    if wrong:
        raise RuntimeError(f"These modules were not loaded from {tree}: {wrong}")


def rows_of(algorithm: Any) -> dict[str, np.ndarray]:
    """Return the token rows of the last iteration."""
    rows = algorithm.last_batch["token_rows"]
    arrays = {name: getattr(rows, name, None) for name in EXACT + FLOATS}
    return {name: np.asarray(array) for name, array in arrays.items() if array is not None}


def numbers_of(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield (path, value) of all numbers in the `TOPICS`, except times."""
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
    """Hash the files of the initial model; return {} if the config names no model."""
    parts = (config, *vars(config).values())
    folders = [part.model_path for part in parts if getattr(part, "model_path", None)]
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(Path(folders[0]).iterdir() if folders else ())
        if file.is_file()
    }


if __name__ == "__main__":
    main()
