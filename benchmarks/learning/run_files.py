"""Runs of a map: one file for each that is finished."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# "area_of_choices" is the area over generated tokens or, on the grid, over chosen steps.
MEASURES = ("area", "panel_success", "panel_steps", "recurring", "area_of_choices")

CURVE = ("env_steps", "generated_tokens", "success")  # what is published of an iteration

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedRun(ABC):
    """A run and its file.

    Attributes:
        folder: The folder of all runs.
        cell: The settings, with a ``name`` for the file and ``settings()`` in types of JSON.
        seed: The seed.
    """

    folder: Path
    cell: Any
    seed: int

    @property
    def file(self) -> Path:
        """The file of the finished run."""
        return self.folder / self.cell.name / f"seed_{self.seed}.json"

    @property
    def is_finished(self) -> bool:
        """Whether the run has a file."""
        return self.file.exists()

    @abstractmethod
    def train(self) -> dict[str, Any]:
        """Train in this process, and return the record: settings, seed and all `MEASURES`."""

    def execute(self) -> float:
        """Train, write the file whole or not at all, and return the seconds of the run."""
        record = self.train()
        self.write(record)
        return record["seconds"]

    def write(self, record: Record) -> None:
        """Write the file of the finished run, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(record))
        part.replace(self.file)

    def read(self) -> Record:
        """Read the finished run.

        Raises:
            ValueError: The file is damaged, or it is of a run with other settings.
        """
        cure = "delete it to repeat the run"
        try:
            record = json.loads(self.file.read_text())
        except ValueError as error:
            raise ValueError(f"{self.file} is damaged ({error}); {cure}") from error
        expected = {"cell": self.cell.settings(), "seed": self.seed}
        missing = [
            name
            for name in (*expected, *MEASURES)
            if not isinstance(record, dict) or name not in record
        ]
        if missing:
            raise ValueError(f"{self.file} is damaged (it lacks {', '.join(missing)}); {cure}")
        for name, value in expected.items():
            if record[name] != value:
                raise ValueError(
                    f"{self.file} is of another run: its {name} is {record[name]}, not {value};"
                    f" {cure}, or use another --output"
                )
        return record


def unfinished(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return the runs without a file, after checking the files of the others.

    Raises:
        ValueError: Files are damaged or of other runs; the message lists all of them.
    """
    missing, damaged = [], []
    for run in runs:
        if not run.is_finished:
            missing.append(run)
            continue
        try:
            run.read()
        except ValueError as error:
            damaged.append(str(error))
    if damaged:
        raise ValueError("\n".join(damaged))
    return missing


# ---------------------------------------------------------------- runs that are in the repository


def publish(runs: Iterable[PlannedRun], folder: Path) -> None:
    """Write finished runs where the repository keeps them: a file a cell, a line a run.

    Of the iterations, a line has the curve only: lists of `CURVE`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_cell = defaultdict[Path, dict[int, Record]](dict)
    for run in runs:
        if run.is_finished:
            by_cell[folder / f"{run.cell.name}.jsonl"][run.seed] = _with_curve(run.read())
    for file, records in by_cell.items():
        both = sorted({**published(file), **records}.items())
        file.write_text("".join(json.dumps(record) + "\n" for _, record in both))


def _with_curve(record: Record) -> Record:
    lines = record.get("iterations")
    if not isinstance(lines, list):
        return record
    return {**record, "iterations": {name: [line[name] for line in lines] for name in CURVE}}


def restore(runs: Iterable[PlannedRun], folder: Path) -> None:
    """Write the files of runs that are published and not here, so a map goes on in a new clone."""
    by_file = defaultdict[Path, list[PlannedRun]](list)
    for run in runs:
        if not run.is_finished:
            by_file[folder / f"{run.cell.name}.jsonl"].append(run)
    for file, of_cell in by_file.items():
        records = published(file)
        for run in of_cell:
            if run.seed in records:
                run.write(records[run.seed])


def published(file: Path) -> dict[int, Record]:
    """Return the published runs of a cell, by seed."""
    if not file.exists():
        return {}
    records = map(json.loads, file.read_text().splitlines())
    return {record["seed"]: record for record in records}
