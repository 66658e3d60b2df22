"""The seed of an answer, so that it does not depend on the rest of the batch."""

from __future__ import annotations

import hashlib

from rllib_gigpo.batch.group_task import GroupTask


def answer_seed(task: GroupTask, request_id: str, *, run_seed: int | None) -> int | None:
    """Return the seed of a request; None if the engine is to draw it.

    Args:
        task: The task of its group, which may have a decoding seed.
        request_id: The id of the request, unique in the run.
        run_seed: The seed of the run; None for none.
    """
    seed = run_seed if task.decoding_seed is None else task.decoding_seed
    if seed is None:
        return None
    key = f"{seed}:{request_id}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "little")
