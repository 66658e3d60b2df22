"""What failed in the Learners while a checkpoint was saved or restored.

RLlib's ``save_to_path`` and ``restore_from_path`` (Ray 2.60) drop the answers of remote Learners: a
save would lack the model, and after a failed restore the run would go on with the start weights.
Each Learner keeps the text of its failure in ``checkpoint_failure``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import CheckpointError

_TIMEOUT_S = 60.0


def check_answering(learner_group: Any) -> None:
    """Check that every Learner answers, because RLlib's saving waits for them without a limit.

    Raises:
        CheckpointError: One does not.
    """
    answers = learner_group.foreach_learner(
        lambda learner: None, healthy_only=False, timeout_seconds=_TIMEOUT_S
    )
    num_missing = max(1, len(learner_group)) - len(list(answers))
    if num_missing:
        raise CheckpointError(
            f"{num_missing} Learner(s) have not answered for {_TIMEOUT_S:g} s, so no checkpoint can"
            " be saved. They hang, or wait for another Learner; see their logs in Ray"
        )


def save_shards(learner_group: Any, folder: Path, *, timeout_s: float) -> None:
    """Let all Learners write what is spread over them; `take_failures` tells what failed.

    Raises:
        CheckpointError: One has not answered within ``timeout_s``.
    """
    answers = learner_group.foreach_learner(
        lambda learner: learner.save_shards(str(folder)), timeout_seconds=timeout_s
    )
    num_missing = max(1, len(learner_group)) - len(list(answers))
    if num_missing:
        raise CheckpointError(
            f"{num_missing} Learner(s) have not written their part of {folder} within"
            f" {timeout_s:g} s (config.learners(update_timeout_s=...))"
        )


def take_failures(learner_group: Any) -> list[str]:
    """Return a clause for each Learner that failed, and put the Learners back into service."""
    answers = learner_group.foreach_learner(
        _take, healthy_only=False, mark_healthy=True, timeout_seconds=_TIMEOUT_S
    )
    failures = (answer.get() for answer in answers)  # of a dead Learner: RLlib's RayError
    return [f"a Learner reports {failure}" for failure in failures if failure]


@contextmanager
def learners_restored(path: Any, learner_group: Any) -> Iterator[None]:
    """Raise a CheckpointError at the end of the block if a Learner failed to restore in it."""
    cause = None
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # a fence: often only a consequence of what a Learner reports
        cause = error
    failures = take_failures(learner_group)
    if failures:
        raise CheckpointError(
            f"The checkpoint {path} could not be restored: {'; '.join(failures)}; use the "
            "config that made the checkpoint, or copy it again"
        ) from cause
    if cause is not None:
        raise cause


def _take(learner: Any) -> str | None:
    failure, learner.checkpoint_failure = learner.checkpoint_failure, None
    return failure
