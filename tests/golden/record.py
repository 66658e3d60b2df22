"""Computes the recordings of this folder with the current code.

    python tests/golden/record.py --output FOLDER    # from the recorded episodes, half a minute
    python tests/golden/record.py --output FOLDER --play    # from newly played episodes

README.md in this folder describes the recordings and when to renew them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from golden.record_credit import LearnerColumns, record_credit, run_case
from golden.record_episodes import fitted_player, play, save_model
from golden.record_loss import make_inputs, record_loss
from golden.recorded_episodes import read_episodes, write_episodes
from golden.recordings import (
    EPISODES,
    FOLDER,
    MODEL,
    SETTINGS,
    read_arrays,
    read_json,
    write_json,
)

# The credit cases that provide the advantages and the filter of the loss's token rows.
ROWS_CASE, FILTER_CASE = "gigpo_return", "gigpo_filter"


def main() -> None:
    """Copy or play the episodes and the model, then compute the recordings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--play", action="store_true", help="play new episodes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.play:
        play_again(options.output)
    elif options.output.resolve() != FOLDER.resolve():
        shutil.copyfile(FOLDER / EPISODES, options.output / EPISODES)
        shutil.copytree(FOLDER / MODEL, options.output / MODEL, dirs_exist_ok=True)
    write_json(read_json(SETTINGS), options.output / SETTINGS)
    compute(options.output)


def play_again(output: Path) -> None:
    """Write new episodes and the model to train."""
    with tempfile.TemporaryDirectory() as folder:
        player = fitted_player(Path(folder))
        write_episodes(play(player), output / EPISODES)
        save_model(player, output / MODEL)


def compute(output: Path) -> None:
    """Compute and write the recordings of credit and loss from the episodes and the model."""
    episodes, model_path = read_episodes(output / EPISODES), output / MODEL
    cases = read_json("credit.json")["cases"]
    arrays, entries = record_credit(
        cases, read_arrays("credit.npz"), episodes, model_path=model_path
    )
    np.savez_compressed(output / "credit.npz", **arrays)
    write_json({"cases": entries}, output / "credit.json")
    learners, by_name = LearnerColumns.make(episodes), {case["name"]: case for case in cases}
    rows, filtered = (
        run_case(by_name[name], episodes, learners, model_path=model_path).rows
        for name in (ROWS_CASE, FILTER_CASE)
    )
    arrays, record = record_loss(
        read_json("loss.json"),
        make_inputs(rows, filtered.weights, model_path),
        model_path=model_path,
    )
    np.savez_compressed(output / "loss.npz", **arrays)
    write_json(record, output / "loss.json")


if __name__ == "__main__":
    main()
