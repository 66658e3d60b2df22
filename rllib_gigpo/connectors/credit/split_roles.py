"""Steps -> turns of roles: what several agents of one episode are compared with, and paid for."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import (
    acting_roles,
    has_roles,
    is_paid_as_a_team,
    turns_by_role,
)
from rllib_gigpo.connectors.credit.read_steps import numbers_of
from rllib_gigpo.errors import ConfigError

_LABELS = (columns.GROUP_IDS, columns.TAG_IDS, columns.TRAJECTORY_IDS, columns.TREE_IDS)


class SplitRoles(ConnectorV2):
    """Connector that makes each role's turns of an episode its own trajectory.

    GROUP_IDS, TAG_IDS, TREE_IDS and TRAJECTORY_IDS become numbers of (task, role), (tags, role),
    (tree, role) and (episode, role), STEP_IDS count the role's own turns, and REWARDS are what the
    role was paid up to its next turn. WON is the episode's, or whether the role was paid more than
    0 where ``info["role_rewards"]`` pays roles differently. So rules that compare within a task
    compare a role only with itself, and discount along its own turns. If all roles were normalised
    together, a role whose rewards differ from the others' would blow up the gradient (Dr. MAS,
    arXiv 2602.08847).

    The rows keep their order. A batch in which nobody, or one role, acts keeps its labels.
    """

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Split the episodes, and write ROLES.

        Raises:
            ConfigError: Several roles act, and the rule has a critic.
        """
        if not any(map(has_roles, episodes)):
            return batch
        roles = list[str]()
        step_ids, won = batch[columns.STEP_IDS].copy(), batch[columns.WON].copy()
        rewards = batch[columns.REWARDS].astype(np.float64)
        for episode in episodes:
            is_team = is_paid_as_a_team(episode)
            for part in turns_by_role(episode):
                rows = len(roles) + part.turns
                step_ids[rows], rewards[rows] = np.arange(len(rows)), part.rewards
                if not is_team:
                    won[rows] = part.total > 0
            roles += acting_roles(episode)
        batch[columns.ROLES], batch[columns.REWARDS], batch[columns.WON] = roles, rewards, won
        if len(set(roles)) > 1:
            _refuse_critic(batch, roles)
            batch[columns.STEP_IDS] = step_ids
            for name in _LABELS:
                batch[name] = numbers_of(zip(batch[name].tolist(), roles, strict=True))
        return batch


def _refuse_critic(batch: dict[str, Any], roles: list[str]) -> None:
    if columns.BOOTSTRAP_VALUES in batch:
        raise ConfigError(
            f"The environment has several roles ({', '.join(sorted(set(roles)))}), and a critic"
            " values the states of one agent only; choose a rule without a critic, such as"
            " config.training(rule='gigpo')."
        )
