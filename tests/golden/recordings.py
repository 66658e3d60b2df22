"""Reads and writes the files of this folder; README.md describes their contents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo import GiGPOConfig

FOLDER = Path(__file__).parent
MODEL, EPISODES, SETTINGS = "model", "episodes.json.gz", "settings.json"


def case_config(*settings: Mapping[str, Any], model_path: Path = FOLDER / MODEL) -> GiGPOConfig:
    """Return the validated config of the recorded play, with ``settings`` on top."""
    # The recorded mini-batches hold whole episodes.
    config = GiGPOConfig().llm(model_path=str(model_path)).learners(minibatch_by="episode")
    for part in (read_json(SETTINGS)["play"], *settings):
        config.update_from_dict(part)
    config.validate()
    return config


def read_json(name: str) -> Any:
    """Read a record."""
    return json.loads((FOLDER / name).read_text())


def write_json(record: Mapping[str, Any], file: Path) -> None:
    """Write a record; its numbers read back exactly."""
    file.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def read_arrays(name: str) -> dict[str, np.ndarray]:
    """Read all arrays of an npz file."""
    with np.load(FOLDER / name) as arrays:
        return dict(arrays)
