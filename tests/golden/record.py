"""Makes the recordings of this folder. Runs against the API of commit da50f96 and no other.

    python record.py --output FOLDER    # in an environment that has da50f96 installed, 40 s

README.md beside this file says what the recordings hold. Nobody needs to make them again; the
scripts stand here because they define what each number is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from record_credit import CASES as CREDIT_CASES
from record_credit import assign_credit, case_config, record_credit
from record_episodes import fitted_player, play, play_config, write_episodes
from record_learner import add_noise
from record_loss import COMMON, Inputs, record_loss
from transformers import AutoModelForCausalLM

from rllib_gigpo import GiGPOConfig, columns

COMMIT = "da50f96"
# How far the model to train lies from the one that played: ratios then leave every clip range.
MODEL_SCALE = 0.25
# The credit cases that the token rows of the loss have their advantages and their filter from.
ROWS_CASE, FILTER_CASE = "gigpo_return", "gigpo_filter"
# RLlib's own settings that this package reads.
HOST_SETTINGS = ("gamma", "lr", "grad_clip", "num_epochs", "seed")


def main() -> None:
    """Play, then record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    output = parser.parse_args().output
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        player = fitted_player(Path(folder))
        episodes = play(str(player))
        save_model(player, output / "model")
    write_episodes(episodes, output / "episodes.json.gz")
    base = play_config(str(output / "model"))
    record_all(base, episodes, output)


def record_all(base: GiGPOConfig, episodes: list[Any], output: Path) -> None:
    """Write everything that is computed from the episodes and the model."""
    write_json(
        {"commit": COMMIT, "play": play_settings(base), "defaults": own_settings(GiGPOConfig())},
        output / "settings.json",
    )
    credit = record_credit(base, episodes)
    np.savez_compressed(output / "credit.npz", **credit.arrays)
    write_json({"cases": credit.cases}, output / "credit.json")
    loss = record_loss(loss_inputs(base, episodes))
    np.savez_compressed(output / "loss.npz", **loss.arrays)
    write_json({"common_settings": COMMON, **loss.description}, output / "loss.json")


def save_model(player: Path, folder: Path) -> None:
    """Write the model to train: the one that played, with noise."""
    model = AutoModelForCausalLM.from_pretrained(player)
    add_noise(model, scale=MODEL_SCALE, seed=1)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(player / name, folder / name)


def loss_inputs(base: GiGPOConfig, episodes: list[Any]) -> Inputs:
    """Take the token rows of one credit case, and the weights of another."""
    rows, filtered = (
        assign_credit(case_config(base, CREDIT_CASES[name]), episodes, {})[columns.TOKEN_ROWS]
        for name in (ROWS_CASE, FILTER_CASE)
    )
    return Inputs.make(case_config(base, COMMON), rows, filtered.weights)


def own_settings(config: GiGPOConfig) -> dict[str, Any]:
    """All settings of this package, flat; what JSON has no word for is left out."""
    foreign = vars(AlgorithmConfig())
    return {
        name: value
        for name, value in vars(config).items()
        if (name not in foreign or name in HOST_SETTINGS) and is_json(value)
    }


def play_settings(base: GiGPOConfig) -> dict[str, Any]:
    """Those of the play that are not at their defaults."""
    defaults = own_settings(GiGPOConfig())
    return {
        name: value
        for name, value in own_settings(base).items()
        if value != defaults[name] and name != "model_path"
    }


def is_json(value: Any) -> bool:
    """Whether a value can stand in a JSON file."""
    return value is None or isinstance(value, bool | int | float | str | list | tuple | dict)


def write_json(record: Mapping[str, Any], file: Path) -> None:
    """Write numbers so that they are read back exactly."""
    file.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
