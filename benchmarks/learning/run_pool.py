"""Worker processes that execute the runs of a map."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context

from run_files import PlannedRun

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RUNS_PER_PROCESS = 20  # what a library leaks ends with its process


def execute_missing(missing: Sequence[PlannedRun], num_runs: int, *, num_processes: int) -> None:
    """Execute the missing runs; a terminal shows a progress line, a log a line per 5 %."""
    done, total_s = num_runs - len(missing), 0.0
    print(f"{done} of {num_runs} runs are finished", flush=True)
    for number, seconds in enumerate(execute_all(missing, num_processes=num_processes), start=1):
        total_s += seconds
        minutes = (len(missing) - number) * total_s / number / num_processes / 60
        line = f"{done + number} of {num_runs} runs, {total_s / number:.2f} s each"
        line += f", about {minutes:.0f} min left"
        is_last = number == len(missing)
        if sys.stdout.isatty():
            print(f"\r{line}  ", end="\n" if is_last else "", flush=True)
        elif is_last or number * 20 // len(missing) > (number - 1) * 20 // len(missing):
            print(line, flush=True)


def execute_all(runs: Sequence[PlannedRun], *, num_processes: int) -> Iterator[float]:
    """Execute runs in worker processes of one thread each; yield the seconds of each.

    An error or an interrupt ends the workers; the files of finished runs stay.
    """
    # "spawn": libraries read the number of threads when a worker imports them.
    with (
        _one_thread(),
        get_context("spawn").Pool(num_processes, maxtasksperchild=RUNS_PER_PROCESS) as pool,
    ):
        yield from pool.imap_unordered(execute, runs)


def execute(run: PlannedRun) -> float:
    """Execute one run in a worker."""
    return run.execute()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start meanwhile use one BLAS thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
