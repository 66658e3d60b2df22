"""What the pages about a group's credit are made of: lanes, and anchor groups."""

import pytest
from support.runs.recorded_run import episode_lines, step_line, write_run

from rllib_gigpo.viewer.group_lanes import group_lanes
from rllib_gigpo.viewer.run_folder import RunFolder
from rllib_gigpo.viewer.transcript_summary import (
    anchor_rows,
    largest,
    most_spread,
    outcomes_by_task,
)


@pytest.fixture
def groups_of(tmp_path):
    def groups(lines):
        return list(RunFolder(write_run(tmp_path / "run", {1: lines}), "run").all_groups())

    return groups


def test_only_anchors_that_steps_share_have_a_colour(groups_of):
    lines = episode_lines([0, 1], won=True) + episode_lines([0, 2], won=False, member=1)
    (group,) = groups_of(lines)
    lanes = group_lanes(group)
    shown = {anchor["text"]: (anchor["count"], anchor["hue"]) for anchor in lanes["anchors"]}
    assert shown == {"room 0": (2, 40), "room 1": (1, None), "room 2": (1, None)}
    first, second = lanes["episodes"]
    assert (first["outcome"], second["outcome"]) == ("won", "truncated")
    assert [step["anchor"] for step in second["steps"]] == [0, 2]
    assert first["steps"][0]["advantage"] == 1.5


def test_similar_states_of_one_anchor_group_are_one_anchor(groups_of):
    lines = [
        step_line(anchor="a room", anchor_group=3),
        step_line(anchor="the room", anchor_group=3, member=1),
    ]
    (group,) = groups_of(lines)
    assert [anchor["count"] for anchor in group_lanes(group)["anchors"]] == [2]
    assert [row.size for row in anchor_rows([group])] == [2]


def test_tokens_without_text_are_shown_by_number(groups_of):
    line = step_line()
    del line["response_tokens"]
    (step,) = group_lanes(groups_of([line])[0])["episodes"][0]["steps"]
    assert step["tokens"] == ["<3>", "<4>"]


def test_anchor_groups_are_ranked_by_size_and_by_spread(groups_of):
    lines = [
        *episode_lines([0, 1, 1], won=True),
        *episode_lines([0, 2], won=False, member=1),
        *episode_lines([0, 2], won=False, member=2),
    ]
    rows = anchor_rows(groups_of(lines))
    assert {row.text: row.size for row in rows} == {"room 0": 3, "room 1": 2, "room 2": 2}
    assert [row.text for row in largest(rows, 1)] == ["room 0"]
    assert [row.text for row in most_spread(rows, 2)] == ["room 0", "room 1"]
    assert {row.text: row.spread for row in rows}["room 2"] == 0.0
    (start,) = (row for row in rows if row.text == "room 0")
    assert start.actions == (("go to 1", 0.5), ("go to 2", -0.5))


def test_tasks_count_how_their_episodes_ended(tmp_path):
    lines = [
        *episode_lines([0], won=True),
        *episode_lines([0], won=False, member=1),
        *episode_lines([0], won=True, task_seed=9, group_id=1),
    ]
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    assert outcomes_by_task(run.summaries()) == {7: {"won": 1, "truncated": 1}, 9: {"won": 1}}


def test_a_lane_names_the_role_and_an_episode_counts_what_was_paid_once(groups_of):
    turns = [step_line(step=step) | {"env_reward": 0.5} for step in (0, 1)]
    turns[0] |= {"role": "guide", "rewards": 1.0}
    turns[1] |= {"role": "walker", "rewards": 0.5}
    (group,) = groups_of(turns)
    (episode,) = group_lanes(group)["episodes"]
    assert [step["role"] for step in episode["steps"]] == ["guide", "walker"]
    assert [step["reward"] for step in episode["steps"]] == [1.0, 0.5]
    assert episode["reward"] == 1.0


def test_a_fork_names_the_episode_it_left_and_its_repeated_steps_count_for_nothing(groups_of):
    forked = {"forked_from": 0, "forked_at": 1}
    fork = [line | forked for line in episode_lines([0, 1, 2], won=False, member=1)]
    fork[0]["is_replayed"], fork[1]["is_replayed"] = True, False
    (group,) = groups_of([*episode_lines([0, 1], won=True), *fork])
    lanes = group_lanes(group)
    assert [one["fork"] for one in lanes["episodes"]] == [None, (0, 1)]
    assert [step["is_replayed"] for step in lanes["episodes"][1]["steps"]] == [True, False, False]
    assert {one["text"]: one["count"] for one in lanes["anchors"]} == {
        "room 0": 1,
        "room 1": 2,
        "room 2": 1,
    }
    assert {row.text: row.size for row in anchor_rows([group])} == {"room 1": 2}
