"""The graph of a task's states: what GiGPO compares, drawn.

A node is an anchor state, an edge an action that some episode took there. Episodes that ended lead
to one of three nodes: won, lost, or truncated by a limit. States stand in layers, by the fewest
steps in which an episode has come to them; the ends stand behind the last layer.
"""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rllib_gigpo.viewer.group_lanes import anchor_of
from rllib_gigpo.viewer.recorded_steps import RecordedGroup

Kind = Literal["start", "state", "won", "lost", "truncated"]
_ENDS = ("won", "lost", "truncated")
_LAYER_WIDTH, _ROW_HEIGHT = 170.0, 84.0
_SMALLEST, _LARGEST = 7.0, 24.0  # radius of a node
_LABEL_WIDTH = 24  # characters
_SWEEPS = 200  # over the layers, to reduce crossings


@dataclass(slots=True)
class StateNode:
    """A state, or an end of episodes.

    Attributes:
        text: The anchor, or how the episodes ended.
        layer: The fewest steps to it.
        x: Horizontal position of its centre.
        y: Vertical position of its centre.
        radius: Its radius; the area grows with the visits.
    """

    text: str
    kind: Kind
    layer: int
    num_visits: int = 0
    x: float = 0.0
    y: float = 0.0
    radius: float = _SMALLEST

    @property
    def label(self) -> list[str]:
        """Its text in two short lines."""
        return textwrap.wrap(self.text, _LABEL_WIDTH, max_lines=2, placeholder="…")


@dataclass(slots=True)
class ActionEdge:
    """An action between two states.

    Attributes:
        source: Index of the node that it leaves.
        target: Index of the node that it leads to.
        action: What the parser found.
        count: How often it was taken.
        advantage: The mean of A over these steps, what the loss gets.
        step_advantage: The mean of A^S, the part that compares actions of this state.
        lane: 0, 1, ... for the actions between the same two nodes.
        sources: (iteration, group id, member, step) of the steps.
    """

    source: int
    target: int
    action: str
    count: int = 0
    advantage: float = 0.0
    step_advantage: float = 0.0
    lane: int = 0
    sources: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StateGraph:
    """Nodes with positions, edges, and the size of the drawing."""

    nodes: list[StateNode]
    edges: list[ActionEdge]
    width: float
    height: float

    @property
    def has_step_advantages(self) -> bool:
        """Whether a rule with A^S made them; edges are then coloured by it, otherwise by A."""
        return any(edge.step_advantage for edge in self.edges)

    @property
    def shades(self) -> list[float]:
        """One number for each edge, from -1 to 1: its mean advantage over the largest."""
        by_state = self.has_step_advantages
        values = [edge.step_advantage if by_state else edge.advantage for edge in self.edges]
        largest = max(map(abs, values), default=0.0)
        return [value / largest if largest else 0.0 for value in values]

    @property
    def most_often(self) -> int:
        """The largest count of an edge."""
        return max((edge.count for edge in self.edges), default=1)


def within(groups: Iterable[RecordedGroup], most_states: int) -> list[RecordedGroup]:
    """Take groups, at least one, as long as they have no more states than can be read."""
    taken, states = list[RecordedGroup](), set[str]()
    for group in groups:
        states |= set(_names(group).values())
        if taken and len(states) > most_states:
            break
        taken.append(group)
    return taken


def state_graph(groups: Iterable[RecordedGroup]) -> StateGraph:
    """Build and lay out the graph of groups that played the same task."""
    nodes, edges = _collect(groups)
    width, height = _place(nodes, edges)
    return StateGraph(nodes, edges, width, height)


def _collect(groups: Iterable[RecordedGroup]) -> tuple[list[StateNode], list[ActionEdge]]:
    nodes = dict[tuple[str, str], StateNode]()
    edges = dict[tuple[int, int, str], ActionEdge]()
    numbers = dict[tuple[str, str], int]()

    def visit(kind: Kind, text: str, layer: int) -> int:
        key = ("state" if kind == "start" else kind, text)
        node = nodes.setdefault(key, StateNode(text, kind, layer))
        node.num_visits += 1
        node.layer = min(node.layer, layer)
        if kind == "start":
            node.kind = kind
        return numbers.setdefault(key, len(numbers))

    totals = defaultdict[tuple[int, int, str], float](float)
    step_totals = defaultdict[tuple[int, int, str], float](float)
    num_lanes = Counter[tuple[int, int]]()
    for group in groups:
        names = _names(group)
        for episode in group.episodes:
            chosen = [step for step in episode.steps if not step.get("is_replayed")]
            path = [
                visit("state" if step["step"] else "start", names[anchor_of(step)], step["step"])
                for step in chosen
            ]
            path.append(visit(episode.outcome, episode.outcome, 0))
            for step, source, target in zip(chosen, path, path[1:], strict=False):
                key = (source, target, step["action"])
                if key not in edges:
                    edges[key] = ActionEdge(*key, lane=num_lanes[key[:2]])
                    num_lanes[key[:2]] += 1
                edge = edges[key]
                edge.count += 1
                totals[key] += step["advantages"] or 0.0
                step_totals[key] += step["step_advantages"] or 0.0
                edge.advantage = totals[key] / edge.count
                edge.step_advantage = step_totals[key] / edge.count
                source_step = (group.iteration, group.group_id, episode.member, step["step"])
                edge.sources.append(source_step)
    behind = 1 + max((node.layer for node in nodes.values()), default=0)
    for node in nodes.values():
        node.layer = behind if node.kind in _ENDS else node.layer
    return list(nodes.values()), list(edges.values())


def _names(group: RecordedGroup) -> Mapping[Any, str]:
    """Name each anchor group by its first state; where similar states match, there are others."""
    names: dict[Any, str] = {}
    for _, step in group.steps():
        names.setdefault(anchor_of(step), step["anchor"])
    return names


def _place(nodes: list[StateNode], edges: list[ActionEdge]) -> tuple[float, float]:
    """Give each node its place and its radius; return the size of the drawing."""
    import igraph

    graph = igraph.Graph(
        n=len(nodes), edges=[(edge.source, edge.target) for edge in edges], directed=True
    )
    layout = graph.layout_sugiyama(
        layers=[node.layer for node in nodes], hgap=_ROW_HEIGHT, vgap=1, maxiter=_SWEEPS
    )
    most = max((node.num_visits for node in nodes), default=1)
    rows = [position[0] for position in layout.coords[: len(nodes)]]
    top = min(rows, default=0.0)
    for node, row in zip(nodes, rows, strict=True):
        node.x = _LAYER_WIDTH * (node.layer + 0.5)
        node.y = row - top + _ROW_HEIGHT
        node.radius = _SMALLEST + (_LARGEST - _SMALLEST) * (node.num_visits / most) ** 0.5
    depth = max((node.layer for node in nodes), default=0)
    return _LAYER_WIDTH * (depth + 1), max((node.y for node in nodes), default=0) + _ROW_HEIGHT


def as_data(graph: StateGraph) -> dict[str, Any]:
    """Return what the page tells of a node or an edge when it is clicked."""
    return {
        "nodes": [
            {"text": one.text, "kind": one.kind, "visits": one.num_visits} for one in graph.nodes
        ],
        "edges": [
            {
                "source": one.source,
                "target": one.target,
                "action": one.action,
                "count": one.count,
                "advantage": one.advantage,
                "step_advantage": one.step_advantage,
                "steps": one.sources[:100],
            }
            for one in graph.edges
        ],
    }
