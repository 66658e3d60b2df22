"""Calls to all Learners, each with a limit: RLlib waits for ever for a Learner that hangs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayActorError

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import UpdateError
from rllib_gigpo.layout.shares import share_ids, split_rows
from rllib_gigpo.learner.training_rows import TrainingRows


class LearnerCalls:
    """What the Algorithm asks of RLlib's group of `GiGPOLearner`.

    A local Learner cannot be interrupted, so the limit is for remote ones.
    """

    def __init__(self, learner_group: Any, *, timeout_s: float) -> None:
        """Ask ``learner_group``; ``timeout_s`` bounds the wait for each answer."""
        self._group = learner_group
        self._timeout_s = timeout_s
        self._can_share: bool | None = None  # not asked yet

    def update(self, rows: TokenRows) -> list[Any]:
        """Train on rows, which the Learners share, balanced by tokens.

        Returns:
            The metrics of each Learner, in RLlib's form.

        Raises:
            UpdateError: A Learner died, or has not answered within the limit.
        """
        data = TrainingRows(rows=rows)
        if self._group.is_local:
            return list(self._group.update(training_data=data))
        shares = [
            TrainingRows(rows=share) for share in split_rows(self._kept(rows), len(self._group))
        ]
        return self._on_shares(
            lambda learner, share: learner.update(training_data=share), shares, "update"
        )

    def score(self, rows: TokenRows, method: str) -> np.ndarray:
        """Call a Learner's method that returns one number per row.

        Args:
            rows: Token rows, which the Learners share, balanced by tokens.
            method: The name of the method, such as "values".

        Returns:
            The answers in the order of the rows: (R,).

        Raises:
            UpdateError: A Learner died, or has not answered within the limit.
        """
        if self._group.is_local:
            return np.asarray(getattr(self._group._learner, method)(rows))
        num_learners = len(self._group)
        ids = share_ids(self._kept(rows), num_learners)
        shares = [rows.select(ids == rank) for rank in range(num_learners)]
        answers = self._on_shares(
            lambda learner, share: (learner.sharding.rank, getattr(learner, method)(share)),
            shares,
            method,
        )
        result = np.zeros(rows.num_rows)
        for rank, values in answers:
            result[ids == rank] = values
        return result

    def _kept(self, rows: TokenRows) -> TokenRows:
        """Let groups be split if no prefix is shared: rows alone are balanced better."""
        if self._can_share is None:
            answers = self._group.foreach_learner(
                lambda learner: learner.shares_prefixes, timeout_seconds=self._timeout_s
            )
            self._can_share = all(answer.ok and answer.get() for answer in answers)
        return rows if self._can_share else replace(rows, group_ids=None)

    def _on_shares(
        self, call: Callable[[Any, Any], Any], shares: list[Any], name: str
    ) -> list[Any]:
        """Call a function with each remote Learner and its share, which it fetches itself."""
        references = [ray.put(share) for share in shares]
        results = list(
            self._group.foreach_learner(
                lambda learner: call(learner, ray.get(references[learner.sharding.rank])),
                timeout_seconds=self._timeout_s,
            )
        )
        errors = [result.get() for result in results if not result.ok]
        for error in errors:
            if not isinstance(error, RayActorError):
                raise error
        if errors:
            raise UpdateError(
                f"A Learner died during {name}: somebody or the lack of memory killed it, or it"
                " crashed; see its log in Ray. The run can go on from its last checkpoint: by hand"
                " with --resume, or by itself with --max-failures"
            ) from errors[0]
        num_missing = len(shares) - len(results)
        if num_missing:
            raise UpdateError(
                f"{num_missing} of {len(shares)} Learners have not finished {name} within"
                f" {self._timeout_s:g} s (config.learners(update_timeout_s=...)). They hang, wait"
                " for another Learner, or need longer; see their logs in Ray. The run can go on"
                " from its last checkpoint with --resume"
            )
        return [result.get() for result in results]
