import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import environments

from rllib_gigpo.envs.conformance.env_probe import Episode, Turn

ENV = "rllib_gigpo.envs:Corridor-v0"


def write_record(folder: Path, seed: int, sizes_of_iterations: list[list[list[int]]]) -> None:
    record = {
        "environment": ENV,
        "env_config": {"length": 4},
        "max_episode_steps": 7,
        "iterations": [{"anchor_group_sizes": sizes} for sizes in sizes_of_iterations],
    }
    (folder / f"gigpo_seed{seed}.json").write_text(json.dumps(record))


def test_trained_play_is_the_mean_of_the_last_iterations_of_the_runs(tmp_path):
    # [size, number of groups]: in the first run 6 of 8 rows are in groups of two or more, in the
    # second all.
    write_record(tmp_path, 0, [[[1, 100]], *[[[1, 2], [3, 2]]] * environments.WINDOW])
    write_record(tmp_path, 1, [[[4, 1]]] * environments.WINDOW)

    (setting,) = environments.trained_settings([tmp_path]).values()

    assert setting.recurring_trained == pytest.approx((0.75 + 1.0) / 2)
    assert setting.max_steps == 7
    assert setting.env_config == {"length": 4}


def test_a_folder_without_runs_is_told(tmp_path):
    with pytest.raises(SystemExit, match=r"no gigpo_seed\*.json"):
        environments.trained_settings([tmp_path])


def test_the_table_has_the_settings_of_the_runs(tmp_path, monkeypatch, capsys):
    write_record(tmp_path, 0, [[[1, 1], [3, 1]]])
    arguments = ["--only", "Corridor-v0", "--trained", str(tmp_path), "--num-tasks", "1"]
    monkeypatch.setattr(sys, "argv", ["environments.py", *arguments])

    environments.main()

    (row,) = [line for line in capsys.readouterr().out.splitlines() if "Corridor-v0" in line]
    assert row.endswith("| 75% |")


def episode_that_lists(*actions: str) -> Episode:
    info = {"admissible_actions": list(actions)}
    return Episode((Turn(None, "", 0.0, False, False, info),), 0.0, 0.0)


def test_random_play_means_something_only_where_actions_are_listed():
    assert environments.lists_actions([episode_that_lists(), episode_that_lists("left")])
    assert not environments.lists_actions([episode_that_lists()])
