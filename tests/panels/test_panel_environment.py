"""Panels of data on this machine: hashes are added, and changed data is refused by name."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import pytest

from rllib_gigpo.envs import CATALOGUE
from rllib_gigpo.errors import EnvContractError, PanelError
from rllib_gigpo.panels.maker import with_starts
from rllib_gigpo.panels.panel import load_panel, shipped_panels
from rllib_gigpo.panels.panel_environment import (
    evaluation_environment,
    panel_environment,
    started_here,
    version_of,
)
from rllib_gigpo.panels.played_task import check_starts

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LAKE = "rllib_gigpo.envs:FrozenLake-v0"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the test data is not here")


def lake(tasks, **changes):
    content = {"name": "lake", "env": LAKE, "max_episode_steps": 20, "tasks": tasks}
    return load_panel(content | changes)


def test_the_starts_of_an_environment_are_added_and_checked():
    made = with_starts(lake([{"seed": 7}, {"seed": 8}]), {})
    assert made.is_complete
    assert made.env_version.startswith("rllib-gigpo ")
    assert len({task.start for task in made.tasks}) == 2
    assert with_starts(made, {}) == made


def test_another_start_is_refused_by_name():
    made = with_starts(lake([{"seed": 7}, {"seed": 8}]), {})
    changed = made.model_copy(
        update={"tasks": (made.tasks[0], made.tasks[1].model_copy(update={"start": "0" * 16}))}
    )
    with pytest.raises(PanelError, match=r"the start of task 8 differs from the panel's"):
        with_starts(changed, {})
    with pytest.raises(PanelError, match=r"install these and the same data, or make a new version"):
        check_starts(changed, made.tasks)


def test_other_settings_of_the_environment_give_other_starts():
    made = with_starts(lake([{"seed": 7}]), {})
    (other,) = started_here(LAKE, {"size": 8}, [7])
    with pytest.raises(PanelError, match="the start of task 7"):
        check_starts(made, [other])


def test_only_files_that_are_here_are_settings_of_a_machine(tmp_path):
    with pytest.raises(PanelError, match="size=8 names no file or folder"):
        with_starts(lake([{"seed": 7}]), {"size": 8})
    with pytest.raises(PanelError, match=r"data_dir: .*typo is not here; give the path"):
        panel_environment(lake([{"seed": 7}]), {"data_dir": str(tmp_path / "typo")})
    sized = lake([{"seed": 7}], env_config={"size": 4})
    assert panel_environment(sized, {"size": 4}) == (LAKE, {"size": 4})
    with pytest.raises(PanelError, match="sets size=4; leave size out, or make another panel"):
        panel_environment(sized, {"size": 8})


class Restless(gymnasium.Env):
    """An environment whose starts do not depend on the seed."""

    observation_space = action_space = gymnasium.spaces.Text(100)
    count = 0

    def reset(self, *, seed=None, options=None):
        Restless.count += 1
        if seed == 13:
            raise RuntimeError("unlucky")
        return f"start {self.count}", {}


def test_an_environment_that_starts_as_it_likes_makes_no_panel():
    gymnasium.register("Restless-v0", Restless, disable_env_checker=True)
    panel = lake([{"seed": 7}], env="Restless-v0")
    with pytest.raises(PanelError, match="started task 7 in two ways"):
        with_starts(panel, {})
    with pytest.raises(EnvContractError, match=r"in reset\(seed=13\): RuntimeError: unlucky"):
        started_here("Restless-v0", {}, [13])


def test_a_run_on_another_environment_lends_a_panel_no_paths(tmp_path):
    file = tmp_path / "games.json"
    file.write_text("[]")
    config = SimpleNamespace(env="another", env_config={"game_files": str(file)})
    assert evaluation_environment(lake([{"seed": 7}]), config) == (LAKE, {})
    config.env = LAKE
    assert evaluation_environment(lake([{"seed": 7}]), config)[1] == {"game_files": str(file)}


def test_a_file_of_a_setting_is_needed_and_must_be_the_same(tmp_path):
    file = tmp_path / "items.json"
    file.write_text("[1]")
    made = with_starts(lake([{"seed": 7}]), {})
    panel = made.model_copy(update={"data_files": {"items": "0" * 16}})
    with pytest.raises(PanelError, match="needs the data file of the setting 'items'"):
        panel_environment(panel, {})
    with pytest.raises(PanelError, match=r"items.json \(items\) differs from that of the panel"):
        panel_environment(panel, {"items": str(file)})
    assert panel_environment(made, {"items": str(file)}) == (LAKE, {"items": str(file)})


def test_versions_name_the_packages_of_the_games():
    found = version_of("rllib_gigpo.envs:TextWorld-v0")
    assert "textworld 1." in found
    assert "gymnasium" in found


@needs_data
def test_alfworlds_official_games_get_names_and_hashes_here(tmp_path):
    data = shutil.copytree(DATA / "alfworld", tmp_path / "alfworld")
    whole = load_panel("alfworld_valid_unseen")
    assert len(whole.tasks) == 134
    ids = whole.model_copy(
        update={
            "env_config": whole.env_config | {"test_split": "train"},  # the split that is here
            "tasks": whole.tasks[:2],
        }
    )
    made = with_starts(ids, {"data_dir": str(data)})
    assert made.is_complete
    assert "data_dir" not in made.env_config
    first = made.tasks[0]
    assert first.id.startswith(("pick_", "look_"))
    game = data / "train" / first.id / "game.tw-pddl"
    game = game if game.is_file() else next(data.rglob(f"{first.id}/game.tw-pddl"))
    assert list(first.files) == ["game.tw-pddl"]
    with_starts(made, {"data_dir": str(data)})
    game.write_text(game.read_text() + " ")  # the game starts as before
    with pytest.raises(
        PanelError, match=rf"data file game.tw-pddl of task {first.seed} \({first.id}"
    ):
        with_starts(made, {"data_dir": str(data)})


@needs_data
def test_webshops_goals_get_hashes_here(tmp_path):
    whole = load_panel("webshop_test")
    assert len(whole.tasks) == 500
    ids = whole.model_copy(update={"tasks": whole.tasks[:3]})
    files = {
        "items_file": str(DATA / "webshop" / "items_shuffle_160.json"),
        "attributes_file": str(DATA / "webshop" / "items_ins_v2_1000.json"),
    }
    made = with_starts(ids, files)
    assert made.data_files.keys() == files.keys()
    assert len({task.start for task in made.tasks}) == 3
    changed = tmp_path / "items.json"
    changed.write_text(Path(files["items_file"]).read_text() + " ")
    with pytest.raises(PanelError, match=r"items.json \(items_file\) differs"):
        panel_environment(made, files | {"items_file": str(changed)})


@pytest.mark.parametrize(
    "name", [name for name in shipped_panels() if load_panel(name).is_complete]
)
def test_the_tasks_of_every_shipped_panel_start_here_as_it_says(name):
    panel = load_panel(name)
    entry = next((one for one in CATALOGUE if one.id == panel.env), None)
    if entry is not None and not entry.is_installed:
        pytest.skip(f"{entry.name} is not installed: {', '.join(entry.missing)}")
    first, last = panel.tasks[0], panel.tasks[-1]
    check_starts(panel, started_here(panel.env, panel.env_config, [first.seed, last.seed]))
