"""The fence around everything that an environment returns; `contract.py` documents the parts.

The rollout, its worker processes and ``check_env`` read every response through these functions, so
they agree about what is allowed. What passes is valid Unicode, a finite reward, real booleans and
an ``info`` without surprises; anything else raises a `ContractViolationError`, which costs a group.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np

from .common.clean_text import valid_text
from .contract import ANCHOR, INFO_TYPES, MAX_REWARD, ContractViolationError
from .info_fence import read_info, shown

_PARTS = {
    "reset": ("observation", "info"),
    "step": ("observation", "reward", "terminated", "truncated", "info"),
}
_BOOLS = (bool, np.bool_)
# These cannot fail to be pickled; other values, and those of subclasses, are tried.
_PLAIN = {str, bytes, bool, int, float, type(None)}


def read_reset(response: Any) -> tuple[Any, dict[str, Any]]:
    """Return the observation and the info of ``reset``, checked.

    Raises:
        ContractViolationError: The response breaks the contract.
    """
    observation, info = parts_of("reset", response)
    return _read_observation(observation), read_info(info)


def read_step(response: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    """Return observation, reward, terminated, truncated and info of ``step``, checked.

    Raises:
        ContractViolationError: The response breaks the contract.
    """
    observation, reward, terminated, truncated, info = parts_of("step", response)
    return (
        _read_observation(observation),
        read_reward(reward),
        read_flag("terminated", terminated),
        read_flag("truncated", truncated),
        read_info(info),
    )


def parts_of(call: str, response: Any) -> Sequence[Any]:
    """Return the parts of a response to "reset" or "step", unchecked.

    Raises:
        ContractViolationError: There are too few or too many, as in older APIs.
    """
    names, is_sequence = _PARTS[call], isinstance(response, tuple | list)
    if is_sequence and len(response) == len(names):
        return response
    got = f"{len(response)} values" if is_sequence else type(response).__name__
    raise ContractViolationError(
        call, f"{call}() returned {got}; it must return ({', '.join(names)}), as in Gymnasium."
    )


def read_reward(reward: Any) -> float:
    """Return a reward as a float that is finite and not too large to be added up.

    Raises:
        ContractViolationError: It is not.
    """
    value = _as_float(reward)
    if value is None or not abs(value) <= MAX_REWARD:  # a comparison with NaN is False
        raise ContractViolationError(
            "reward",
            f"a reward is {shown(reward)} ({type(reward).__name__}). Return a finite number of at "
            f"most {MAX_REWARD:g}, the reward of this one step.",
        )
    return value


def read_flag(name: str, flag: Any) -> bool:
    """Return ``terminated`` or ``truncated`` as a bool.

    Raises:
        ContractViolationError: It is neither Python's nor NumPy's bool.
    """
    if not isinstance(flag, _BOOLS):
        raise ContractViolationError(
            "flags",
            f"{name} is {type(flag).__name__}, not bool. step() must return "
            f"({', '.join(_PARTS['step'])}).",
        )
    return bool(flag)


def check_sendable(observation: Any, info: Mapping[str, Any]) -> None:
    """Check that a response can travel to another process.

    Raises:
        ContractViolationError: A value cannot be pickled, or not restored.
    """
    _check_pickles("the observation", observation)
    for key, value in info.items():
        _check_pickles(f"the key {shown(key)} of info", key)
        if key == ANCHOR or key not in INFO_TYPES:
            _check_pickles(f"info[{shown(key)}]", value)


def _read_observation(observation: Any) -> Any:
    """Clean text; copy another observation, which becomes text later and more than once.

    Many environments write each observation into one array or dict, which would change the history.
    """
    if isinstance(observation, str):
        return valid_text(observation)
    try:
        return copy.deepcopy(observation)
    except Exception:  # its class may do anything; what cannot be copied is read as it is
        return observation


def _as_float(reward: Any) -> float | None:
    if isinstance(reward, np.ndarray) and reward.size == 1:
        reward = reward.item()
    # float("1") would hide a mistake, and NumPy drops imaginary parts.
    if isinstance(reward, str | bytes | bytearray | complex | np.complexfloating):
        return None
    try:
        return float(reward)
    except Exception:  # its class may do anything
        return None


def _check_pickles(what: str, value: Any) -> None:
    if type(value) in _PLAIN:
        return
    try:
        pickle.loads(cloudpickle.dumps(value))
    except Exception as error:  # the value's own code may raise anything
        raise ContractViolationError(
            "pickle",
            f"{what} ({type(value).__name__}) cannot be sent to another process "
            f"({type(error).__name__}: {error}). Leave it out, or return plain values.",
        ) from error
