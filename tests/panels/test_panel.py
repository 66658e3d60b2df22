"""The manifest: its digest, its file, and the messages for damaged ones."""

import json

import pytest

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Panel, load_panel, shipped_panels

CONTENT = {
    "name": "lake",
    "env": "rllib_gigpo.envs:FrozenLake-v0",
    "env_config": {"size": 4},
    "max_episode_steps": 20,
    "decoding": {"seeds": [0, 1], "temperature": 1.0},
    "tasks": [{"seed": 7, "start": "ab"}, {"seed": 9, "id": "nine"}],
}


def changed(**changes):
    return load_panel({**CONTENT, **changes})


def test_a_panel_survives_its_file_which_has_one_task_a_line(tmp_path):
    panel, file = changed(), tmp_path / "new" / "lake.json"
    panel.save(file)
    assert load_panel(file) == load_panel(str(file)) == panel
    assert '  {"seed": 7, "start": "ab"},\n' in file.read_text()


def test_the_digest_changes_with_what_is_played_and_with_nothing_else():
    digest = changed().digest
    assert len(digest) == 16
    assert changed(env_version="other 1.0").digest == digest
    others = [
        changed(name="sea"),
        changed(version=2),
        changed(env_config={"size": 5}),
        changed(max_episode_steps=21),
        changed(decoding={"seeds": [0], "temperature": 1.0}),
        changed(data_files={"items_file": "ab"}),
        changed(tasks=[{"seed": 7, "start": "ac"}, {"seed": 9, "id": "nine"}]),
    ]
    assert len({digest, *(one.digest for one in others)}) == 8


def test_a_panel_is_complete_if_every_task_has_a_start():
    assert not changed().is_complete
    assert changed(tasks=[{"seed": 7, "start": "ab"}]).is_complete


def test_an_unknown_panel_is_an_error_that_lists_the_shipped_ones():
    with pytest.raises(PanelError, match=f"no panel 'nowhere'.*{shipped_panels()[0]}"):
        load_panel("nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is not a panel"),
        ('{"panel_digest": "ab"}', "is the result of a panel, not a panel"),
        (json.dumps({**CONTENT, "tasks": []}), "is not a panel: tasks: "),
        (json.dumps({**CONTENT, "max_episode_steps": 0}), "max_episode_steps: "),
        (json.dumps({**CONTENT, "format": 2}), "format: "),
        (json.dumps({**CONTENT, "size": 4}), "size: Extra inputs"),
        (json.dumps({**CONTENT, "tasks": [{"seed": 7}, {"seed": 7}]}), "appears twice"),
        (json.dumps({**CONTENT, "decoding": {"temperature": -1}}), "decoding.temperature: "),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_place(tmp_path, text, message):
    file = tmp_path / "lake.json"
    file.write_text(text)
    with pytest.raises(PanelError, match=message):
        load_panel(file)


def test_a_panel_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PanelError, match="choose another file with --output"):
        changed().save(tmp_path / "file" / "lake.json")


@pytest.mark.parametrize("name", shipped_panels())
def test_every_shipped_panel_is_whole_and_names_no_path(name):
    panel = load_panel(name)
    assert isinstance(panel, Panel)
    assert panel.name == name
    assert "/" not in json.dumps(panel.env_config)
    assert panel.is_complete or panel.env_version == ""
