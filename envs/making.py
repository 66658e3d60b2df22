"""Makes an environment from its id, as every part of this package does."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import gymnasium

_FILTERS = threading.Lock()


def make(env_id: str, **env_config: Any) -> gymnasium.Env:
    """Make an environment.

    Gymnasium's checker stays off: it refuses most characters of real text in a Text space. And it
    is kept from advising its own games FrozenLake-v1 and Blackjack-v1 in the place of ours.

    Args:
        env_id: Gymnasium id, such as ``"rllib_gigpo.envs:TextWorld-v0"``.
        **env_config: Keywords of the environment.
    """
    # Filters belong to the whole process, and environments are made in threads too.
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*(FrozenLake|Blackjack)-v0 is out of date")
        return gymnasium.make(env_id, disable_env_checker=True, **env_config)
