"""Calls to all Learners, each with a limit: RLlib waits for ever for a Learner that hangs."""

from __future__ import annotations

import time
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

_GRACE_S = 1.0  # after a failure, for what the other Learners have to say


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
        """Call a function with each remote Learner and its share, which it fetches itself.

        The first failure ends the wait: the other Learners may wait for the one that failed.
        """
        references = [ray.put(share) for share in shares]

        def with_share(learner: Any) -> Any:
            return call(learner, ray.get(references[learner.sharding.rank]))

        waiting = [actor.apply.remote(with_share) for actor in self._group._workers]
        answers, failures = list[Any](), list[Exception]()
        end = time.monotonic() + self._timeout_s
        while waiting:
            left_s = _GRACE_S if failures else max(0.0, end - time.monotonic())
            ready, waiting = ray.wait(waiting, timeout=left_s)
            if not ready:
                break
            try:
                answers.append(ray.get(ready[0]))
            except Exception as error:  # a fence: whatever a Learner raises
                failures.append(error)
        if failures:
            raise _cause(failures, name)
        if waiting:
            raise UpdateError(
                f"{len(waiting)} of {len(shares)} Learners have not finished {name} within"
                f" {self._timeout_s:g} s (config.learners(update_timeout_s=...)). They hang, wait"
                " for another Learner, or need longer; see their logs in Ray. The run can go on"
                " from its last checkpoint with --resume"
            )
        return answers


def _cause(failures: list[Exception], name: str) -> Exception:
    """Return the first error; a death counts only if there is nothing else, as it may follow."""
    for error in failures:
        if not isinstance(error, RayActorError):
            return error
    death = UpdateError(
        f"A Learner died during {name}: somebody or the lack of memory killed it, or it crashed;"
        " see its log in Ray. The run can go on from its last checkpoint: by hand with --resume, or"
        " by itself with --max-failures"
    )
    death.__cause__ = failures[0]
    return death
