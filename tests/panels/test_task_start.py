"""Hashes of starts and files: equal for equal ones, different for others."""

import numpy as np
import pytest

from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, DATA_FILES, TASK, TASK_ID
from rllib_gigpo.panels.task_start import file_digest, file_digests, split_paths, started_task

IMAGE = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
INFO = {TASK: "go", ADMISSIBLE_ACTIONS: ["a", "b"]}


def start(observation="a room", info=INFO):
    return started_task(7, observation, info).start


def test_the_start_is_the_observation_the_task_and_the_actions():
    starts = [
        start(),
        start("a cellar"),
        start(info={**INFO, TASK: "stay"}),
        start(info={**INFO, ADMISSIBLE_ACTIONS: ["a"]}),
        start(info={**INFO, ADMISSIBLE_ACTIONS: ["b", "a"]}),
        start(info={}),
        start(IMAGE),
        start(IMAGE[::-1]),
        start(IMAGE.reshape(-1)),
        start({"image": IMAGE, "text": "a"}),
        start({"image": IMAGE, "text": "b"}),
    ]
    assert len(set(starts)) == len(starts)


def test_equal_starts_have_equal_hashes_and_other_infos_do_not_count():
    assert start() == start("a room", {**INFO, "anchor": 5, "won": False})
    assert start({"a": 1, "b": IMAGE}) == start({"b": IMAGE.copy(), "a": 1})
    # A list that the environment returns as a tuple is the same list.
    assert start(info={**INFO, ADMISSIBLE_ACTIONS: ("a", "b")}) == start()


def test_a_task_has_its_name_and_the_hashes_of_its_files(tmp_path):
    file = tmp_path / "game.json"
    file.write_text("one")
    info = {**INFO, TASK_ID: "games/one", DATA_FILES: [str(file)]}
    task = started_task(7, "a room", info)
    assert (task.id, task.seed) == ("games/one", 7)
    assert task.files == {"game.json": file_digest(file)}
    file.write_text("another")
    assert started_task(7, "a room", info).files != task.files


def test_settings_that_name_files_are_kept_apart(tmp_path):
    file = tmp_path / "items.json"
    file.write_text("[]")
    config = {
        "items_file": str(file),
        "data_dir": tmp_path,
        "game_files": [str(file)],
        "challenge": "coin_collector",
        "word": "and/or",
        "empty": [],
        "size": 4,
    }
    settings, paths = split_paths(config)
    assert settings == {"challenge": "coin_collector", "word": "and/or", "empty": [], "size": 4}
    assert paths.keys() == {"items_file", "data_dir", "game_files"}
    assert file_digests(paths) == {"items_file": file_digest(file)}


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "nowhere")
