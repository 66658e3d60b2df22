import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from rllib_gigpo.cli.commands import evaluate
from rllib_gigpo.cli.playing.playable import checkpoint_config
from rllib_gigpo.errors import CheckpointError

RESULT = {
    "env_runners": {
        "success_rate": 0.75,
        "success_ci_low": 0.5,
        "success_ci_high": 0.9,
        "num_episodes": 128,
        "episode_return_mean": np.float64(1.5),
        "tags": {
            "hard": {"success_rate": 0.5, "num_episodes": 60},
            "easier": {"success_rate": 1.0, "num_episodes": 68},
        },
    }
}


def test_the_table_has_a_line_for_all_tasks_and_one_for_each_tag():
    assert evaluate.table(RESULT) == [
        "success  75.0%  95% CI [50.0%, 90.0%]  128 episodes",
        "return   1.50",
        "length   -",
        "valid    -",
        "  easier  100.0%  95% CI [-, -]  68 episodes",
        "  hard    50.0%  95% CI [-, -]  60 episodes",
    ]


def test_metrics_are_written_as_plain_json(tmp_path: Path):
    file = tmp_path / "new" / "evaluation.json"

    evaluate.write_json(RESULT, file)

    assert json.loads(file.read_text())["env_runners"]["episode_return_mean"] == 1.5


def test_the_config_of_a_checkpoint_is_read_from_its_constructor_arguments(tmp_path: Path):
    config = AlgorithmConfig().training(lr=0.125)
    constructor = {"class": None, "ctor_args_and_kwargs": ((config.get_state(),), {})}
    (tmp_path / "class_and_ctor_args.pkl").write_bytes(pickle.dumps(constructor))

    read = checkpoint_config(tmp_path)

    assert read.lr == 0.125
    with pytest.raises(CheckpointError, match="copy the whole checkpoint"):
        checkpoint_config(tmp_path / "nowhere")
