"""Rows written by hand, and the columns that the credit pipeline computes from them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.sub_goal_step import TokenLevel
from rllib_gigpo.connectors.credit.read_steps import numbers_of
from rllib_gigpo.credit.anchors import exact_anchor_groups, next_labels
from rllib_gigpo.credit.returns import episode_returns, step_returns

GAMMA = 0.5


@dataclass
class Row:
    group: int
    trajectory: int
    step: int
    reward: float
    anchor: str
    penalty: float = 0.0
    action: str = ""
    won: bool = False  # of the episode; any row may say so
    tree: int | None = None  # None: the trajectory


def columns_of(rows, *, gamma=GAMMA, penalty_mode="return"):
    groups, trajectories, steps, rewards, penalties = (
        np.array([getattr(row, name) for row in rows])
        for name in ("group", "trajectory", "step", "reward", "penalty")
    )
    labels = exact_anchor_groups([row.anchor for row in rows], groups)
    winners = {row.trajectory for row in rows if row.won}
    in_rows = {"return": np.zeros_like(penalties), "row": penalties}[penalty_mode]
    penalised = rewards - (penalties - in_rows)
    return {
        columns.GROUP_IDS: groups,
        columns.TAG_IDS: np.zeros_like(groups),
        columns.TRAJECTORY_IDS: trajectories,
        columns.TREE_IDS: np.array(
            [row.trajectory if row.tree is None else row.tree for row in rows]
        ),
        columns.STEP_IDS: steps,
        columns.REWARDS: rewards,
        columns.PENALTIES: penalties,
        columns.ROW_PENALTIES: in_rows,
        columns.RESPONSE_LENGTHS: np.ones_like(steps),
        columns.SEGMENT_STARTS: steps == 0,
        columns.TOKEN_LEVELS: np.full(len(rows), TokenLevel.ACTION, dtype=np.int8),
        columns.VALUES: np.zeros(len(rows)),
        columns.BOOTSTRAP_VALUES: np.zeros(len(rows)),
        columns.IMPLICIT_REWARDS: np.zeros(len(rows)),
        columns.EPISODE_RETURNS: episode_returns(rewards, trajectories),
        columns.STEP_RETURNS: step_returns(penalised, trajectories, steps, gamma=gamma),
        columns.ANCHORS: [row.anchor for row in rows],
        columns.ACTION_IDS: numbers_of(row.action for row in rows),
        columns.WON: np.array([row.trajectory in winners for row in rows], dtype=bool),
        columns.ANCHOR_GROUP_IDS: labels,
        columns.NEXT_ANCHOR_GROUP_IDS: next_labels(labels, trajectories, steps),
    }


def worked_example(penalties=(0.0, 0.0, 0.0, 0.0, 0.0)):
    rows = [
        Row(0, 0, 0, 0.0, "a"),
        Row(0, 0, 1, 0.0, "b"),
        Row(0, 0, 2, 1.0, "a"),
        Row(0, 1, 0, 0.0, "a"),
        Row(0, 1, 1, 0.0, "c"),
    ]
    for row, penalty in zip(rows, penalties, strict=True):
        row.penalty = penalty
    return rows


def as_whole_batch(rows):
    """Return the rows with their own mini-batch counts."""
    size = rows.num_minibatches
    tokens = rows.weights.astype(np.float64) * rows.response_lengths
    return dataclasses.replace(
        rows,
        minibatch_token_counts=np.bincount(rows.minibatch_ids, tokens, size),
        minibatch_row_counts=np.bincount(rows.minibatch_ids, rows.weights, size),
    )
