"""What counts as one state of the maze, always within the task of a group."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tabular import MOVE_NAMES, GridWorld, PlayedSteps, cell_anchors


class StateDefinition(ABC):
    """Base of the definitions: steps of one task with equal texts start from the same state."""

    @abstractmethod
    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the text of the state that each of the R rows starts from."""


class OwnCell(StateDefinition):
    """The cell: exactly what the policy sees."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        return cell_anchors(world, played)


class CellAndStep(StateDefinition):
    """The cell and the number of steps taken, so no state recurs within an episode."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        steps = played.step_ids.tolist()
        return [
            f"{text} step{step}"
            for text, step in zip(cell_anchors(world, played), steps, strict=True)
        ]


class CellAndPrevious(StateDefinition):
    """The cell and the cell one step before, which is the same one after a move into a wall."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        order = np.lexsort((played.step_ids, played.trajectory_ids))
        ordered = played.trajectory_ids[order]
        previous = np.full(len(order), -1)  # the first step of an episode has none
        follows = ordered[1:] == ordered[:-1]
        previous[order[1:][follows]] = played.cells[order[:-1][follows]]
        texts = [*world.texts, "the start"]
        return [
            f"{text} after {texts[before]}"
            for text, before in zip(cell_anchors(world, played), previous.tolist(), strict=True)
        ]


class Surroundings(StateDefinition):
    """Which of the four neighbours are walls: many cells look the same."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        is_wall = world.next_cell == np.arange(world.num_cells)[:, None]
        texts = [
            " ".join(
                f"{name}_{'wall' if has_wall else 'free'}"
                for name, has_wall in zip(MOVE_NAMES, walls, strict=True)
            )
            for walls in is_wall.tolist()
        ]
        return [texts[cell] for cell in played.cells.tolist()]


class Blocks(StateDefinition):
    """Blocks of 2 x 2 cells, counted from the first cell inside the outer wall."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        texts = [f"block{y} block{x}" for y, x in ((world.coordinates - 1) // 2).tolist()]
        return [texts[cell] for cell in played.cells.tolist()]


class OneState(StateDefinition):
    """All steps of a task start from the same state."""

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        return ["maze"] * len(played.cells)


STATES: dict[str, StateDefinition] = {
    "cell": OwnCell(),
    "cell and step": CellAndStep(),
    "cell and previous": CellAndPrevious(),
    "surroundings": Surroundings(),
    "2 x 2 blocks": Blocks(),
    "one state": OneState(),
}


@dataclass(frozen=True, slots=True)
class UniqueAnchors(StateDefinition):
    """Another definition, of which a random part of the rows no longer recurs.

    Attributes:
        states: The definition.
        p_unique: The probability that a row's state is made unique, in [0, 1].
        rng: Draws the rows; its own stream, so the moves do not depend on ``p_unique``.
    """

    states: StateDefinition
    p_unique: float
    rng: np.random.Generator

    def __call__(self, world: GridWorld, played: PlayedSteps) -> list[str]:
        """Return the texts; see the base class."""
        is_unique = self.rng.random(len(played.cells)) < self.p_unique
        texts = self.states(world, played)
        for row in np.flatnonzero(is_unique).tolist():
            texts[row] = f"{texts[row]} unique{row}"
        return texts
