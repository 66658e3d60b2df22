"""The graph of a task's states."""

import itertools

import pytest
from support.runs.recorded_run import episode_lines, write_run

from rllib_gigpo.viewer.run_folder import RunFolder
from rllib_gigpo.viewer.state_graph import state_graph, tasks


@pytest.fixture
def graph_of(tmp_path):
    def graph(*episodes):
        lines = [
            line
            for member, (rooms, won) in enumerate(episodes)
            for line in episode_lines(rooms, won=won, member=member)
        ]
        run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
        return state_graph(run.all_groups())

    return graph


def by_text(graph):
    return {node.text: node for node in graph.nodes}


def test_states_count_visits_and_actions_their_mean_advantage(graph_of):
    graph = graph_of(([0, 1, 2], True), ([0, 1, 0], False))
    nodes = by_text(graph)
    assert {text: node.num_visits for text, node in nodes.items()} == {
        "room 0": 3,
        "room 1": 2,
        "room 2": 1,
        "won": 1,
        "cut": 1,
    }
    assert [text for text, node in nodes.items() if node.kind == "start"] == ["room 0"]
    edges = {(graph.nodes[e.source].text, graph.nodes[e.target].text): e for e in graph.edges}
    there = edges["room 0", "room 1"]
    assert (there.action, there.count, there.advantage) == ("go to 1", 2, 0.0)
    assert edges["room 1", "room 2"].advantage == 1.5
    assert edges["room 2", "won"].sources == [(1, 0, 0, 2)]


def test_a_state_stands_in_the_layer_of_the_fewest_steps_to_it(graph_of):
    nodes = by_text(graph_of(([0, 1, 2, 3], True), ([0, 3], False)))
    assert {text: node.layer for text, node in nodes.items()} == {
        "room 0": 0,
        "room 1": 1,
        "room 3": 1,
        "room 2": 2,
        "won": 3,
        "cut": 3,
    }


def test_equal_text_of_a_state_and_an_end_are_two_nodes(tmp_path):
    lines = episode_lines([0], won=True)
    lines[0]["anchor"] = "won"
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    assert [node.kind for node in state_graph(run.all_groups()).nodes] == ["start", "won"]


def test_hundreds_of_states_do_not_cover_each_other(graph_of):
    rooms = [[0, *range(first, first + 20)] for first in range(1, 400, 20)]
    graph = graph_of(*((path, True) for path in rooms))
    assert len(graph.nodes) == 402
    for one, other in itertools.combinations(graph.nodes, 2):
        distance = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
        assert distance > one.radius + other.radius, (one.text, other.text)
    assert all(0 <= node.x <= graph.width for node in graph.nodes)
    assert all(0 <= node.y <= graph.height for node in graph.nodes)


def test_tasks_count_how_their_episodes_ended(tmp_path):
    lines = [
        *episode_lines([0], won=True),
        *episode_lines([0], won=False, member=1),
        *episode_lines([0], won=True, task_seed=9, group_id=1),
    ]
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    assert tasks(run.all_groups()) == {7: {"won": 1, "cut": 1}, 9: {"won": 1}}
