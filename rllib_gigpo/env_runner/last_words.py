"""What a process says about a hang that it cannot end; `HangWatch` finds the hang."""

from __future__ import annotations

import logging
import os
from typing import Any

import ray
from ray._private.utils import push_error_to_driver
from ray._private.worker import global_worker
from ray.actor import ActorHandle
from ray.experimental import internal_kv

logger = logging.getLogger(__name__)

_NAMESPACE = "rllib_gigpo"


def tell_driver(message: str) -> None:
    """Print ``message`` on the driver's screen, even if the logs of workers are not shown there."""
    if ray.is_initialized() and ray.get_runtime_context().get_actor_id() is not None:
        push_error_to_driver(global_worker, "environment_hangs", message)
    else:
        logger.warning(message)


def end_this_actor(message: str) -> None:
    """End this process, which cannot answer any more; `last_words_of` its actor is ``message``.

    Ray then tells the driver at once that the actor died, and restarts it.
    """
    actor_id = ray.get_runtime_context().get_actor_id()
    internal_kv._internal_kv_put(f"last-words-{actor_id}", message, namespace=_NAMESPACE)
    os._exit(1)


def last_words_of(actor: Any) -> str | None:
    """Return why an actor has ended itself, once; None if it did not."""
    if not isinstance(actor, ActorHandle):
        return None
    key = f"last-words-{actor._actor_id.hex()}"
    words = internal_kv._internal_kv_get(key, namespace=_NAMESPACE)
    if words is None:
        return None
    internal_kv._internal_kv_del(key, namespace=_NAMESPACE)
    return words.decode()
