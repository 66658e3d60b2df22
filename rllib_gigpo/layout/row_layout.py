"""`RowLayout`: the seam between rows and micro-batches, and the choice between layouts by cost."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch


@dataclass(frozen=True, slots=True)
class LayoutCosts:
    """The cost of a pass over a micro-batch, in units of one token's linear layers.

    Attributes:
        pair: One token that sees another, with the mask of the causal kernels.
        masked_pair: The same with an explicit mask.
        prediction: One token's logits.
        overhead: One more micro-batch.
    """

    pair: float = 0.0
    masked_pair: float = 0.0
    prediction: float = 0.0
    overhead: int = 128


@dataclass(frozen=True, slots=True)
class LayoutPlan:
    """A layout of some rows that is not built yet.

    Attributes:
        cost: The predicted cost, in units of one token's linear layers; infinite if the layout
            cannot hold the rows.
        build: Builds the micro-batches, which contain each row once.
    """

    cost: float
    build: Callable[[], list[MicroBatch]]


class RowLayout(ABC):
    """A way to lay out rows as micro-batches. The loss of the rows does not depend on it."""

    @abstractmethod
    def plan(self, rows: TokenRows, row_ids: np.ndarray) -> LayoutPlan:
        """Plan the micro-batches of some rows.

        Args:
            rows: All rows.
            row_ids: (K,) int, the rows to lay out; may be empty.

        Raises:
            ValueError: A row has no prompt, so nothing predicts its first response token.
        """

    def micro_batches(self, rows: TokenRows, row_ids: np.ndarray) -> list[MicroBatch]:
        """Lay out some rows; see `plan`."""
        return self.plan(rows, row_ids).build()


class CheapestLayout(RowLayout):
    """The layout with the lowest predicted cost; the first one wins a tie."""

    def __init__(self, *layouts: RowLayout) -> None:
        """Choose between ``layouts``."""
        self._layouts = layouts

    def plan(self, rows: TokenRows, row_ids: np.ndarray) -> LayoutPlan:
        """Return the cheapest plan; see the base class."""
        plans = [layout.plan(rows, row_ids) for layout in self._layouts]
        return min(plans, key=lambda plan: plan.cost)


class FirstLayout(RowLayout):
    """The first layout that can hold the rows, whatever it costs."""

    def __init__(self, *layouts: RowLayout) -> None:
        """Try ``layouts`` in this order; the last one holds all rows."""
        self._layouts = layouts

    def plan(self, rows: TokenRows, row_ids: np.ndarray) -> LayoutPlan:
        """Return the first plan of finite cost; see the base class."""
        plans = (layout.plan(rows, row_ids) for layout in self._layouts)
        return next(plan for plan in plans if math.isfinite(plan.cost))


def check_prompts(rows: TokenRows, row_ids: np.ndarray) -> None:
    """Check that each row has a prompt.

    Raises:
        ValueError: A row has none.
    """
    if (rows.prompt_lengths[row_ids] < 1).any():
        row = int(row_ids[rows.prompt_lengths[row_ids].argmin()])
        raise ValueError(f"Row {row} has no prompt token; a row needs at least one.")
