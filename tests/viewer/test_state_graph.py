"""The graph of a task's states."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from support.runs.recorded_run import episode_lines, write_run

from rllib_gigpo.viewer.graph_drawing import svg
from rllib_gigpo.viewer.run_folder import RunFolder
from rllib_gigpo.viewer.state_graph import state_graph, within


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
        "truncated": 1,
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
        "truncated": 3,
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


def test_similar_states_of_one_anchor_group_are_one_node(tmp_path):
    lines = [
        *episode_lines([0], won=True),
        *episode_lines([0], won=True, member=1),
    ]
    lines[1] |= {"anchor": "the same room"}
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    nodes = by_text(state_graph(run.all_groups()))
    assert {text: node.num_visits for text, node in nodes.items()} == {"room 0": 2, "won": 2}


def test_a_graph_takes_groups_while_their_states_can_be_read(tmp_path):
    lines = [
        line
        for group in range(5)
        for line in episode_lines([*range(10 * group, 10 * group + 10)], won=True, group_id=group)
    ]
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    taken = within(run.all_groups(), most_states=30)
    assert [group.group_id for group in taken] == [0, 1, 2]
    assert len(within(run.all_groups(), most_states=1)) == 1


def test_a_drawing_stands_alone(graph_of):
    drawn = svg(graph_of(([0, 1], True), ([0, 2], False)))
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert drawn.count("<circle") == 5
    assert "light-dark" not in drawn
    ElementTree.fromstring(drawn)


def test_actions_between_the_same_states_are_drawn_apart(tmp_path):
    lines = [
        *episode_lines([0, 1, 1, 0], won=True),
        *episode_lines([0, 1, 1, 0], won=True, member=1),
    ]
    for line in lines[4:]:
        line["action"] = f"run, {line['action']}"
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    graph = state_graph(run.all_groups())
    assert [edge.lane for edge in graph.edges] == [0, 0, 0, 0, 1, 1, 1, 1]
    paths = re.findall(r'marker-end="[^"]+" d="(M[^"]+)"', svg(graph))
    assert len(set(paths)) == len(graph.edges) == 8


def test_edges_show_the_step_advantage_where_a_rule_has_one(tmp_path):
    lines = episode_lines([0, 1], won=True) + episode_lines([0, 2], won=True, member=1)
    lines[0] |= {"step_advantages": -1.0, "advantages": 3.0}
    run = RunFolder(write_run(tmp_path / "run", {1: lines}), "run")
    graph = state_graph(run.all_groups())
    assert graph.shades == [-1.0, 0.5, 0.5, 0.5]
    for line in lines:
        line["step_advantages"] = 0.0
    run = RunFolder(write_run(tmp_path / "grpo", {1: lines}), "run")
    assert state_graph(run.all_groups()).shades == [1.0, 0.5, 0.5, 0.5]


def test_steps_that_a_fork_repeated_are_not_visits(tmp_path):
    fork = episode_lines([0, 1, 3], won=True, member=1)
    fork = [
        line | {"forked_from": 0, "forked_at": 1, "is_replayed": not n}
        for n, line in enumerate(fork)
    ]
    lines = [*episode_lines([0, 1, 2], won=True), *fork]
    nodes = by_text(
        state_graph(RunFolder(write_run(tmp_path / "run", {1: lines}), "run").all_groups())
    )
    visits = {text: node.num_visits for text, node in nodes.items()}
    assert visits == {"room 0": 1, "room 1": 2, "room 2": 1, "room 3": 1, "won": 2}
    assert nodes["room 3"].layer == 2
