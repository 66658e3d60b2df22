"""Hashes of starts and files: equal for equal ones, different for others."""

from pathlib import Path

import numpy as np
import pytest

from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, DATA_FILES, TASK, TASK_ID
from rllib_gigpo.errors import PanelError
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
    assert paths["game_files"] == [str(file)]
    digest = file_digest(file)
    assert file_digests(paths) == {"items_file": digest, "game_files": digest}


def test_a_path_is_absolute_and_may_not_exist_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.json").write_text("[]")
    _, paths = split_paths({"items": "items.json", "cache": "/nowhere/cache", "home": "~/cache"})
    assert paths["items"] == str(tmp_path / "items.json")
    assert paths["cache"] == "/nowhere/cache"
    assert paths["home"] == str(Path.home() / "cache")


def test_several_files_have_one_hash_that_each_of_them_changes(tmp_path):
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        file.write_text("one")
    before = file_digests({"files": [str(file) for file in files]})
    files[1].write_text("another")
    assert file_digests({"files": [str(file) for file in files]}) != before


def test_a_path_inside_of_other_values_is_refused():
    with pytest.raises(PanelError, match="parts of the environment holds the path '/data/games'"):
        split_paths({"parts": [{"env_config": {"data_dir": "/data/games"}}]})


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(PanelError, match="nowhere cannot be read: No such file"):
        file_digest(tmp_path / "nowhere")
