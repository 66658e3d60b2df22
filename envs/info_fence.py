"""The fence around ``info``: every key of the contract is checked and copied, text is cleaned."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from .common.clean_text import valid_text
from .contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    DATA_FILES,
    EXPERT_ACTION,
    INFO_TYPES,
    MAX_REWARD,
    ROLE,
    ROLE_REWARDS,
    SCORE,
    TAGS,
    TASK,
    TASK_ID,
    TOOL_RESULTS,
    WON,
    ContractViolationError,
)

_MAX_SHOWN, _MAX_ERROR = 80, 1000  # characters
_BY_VALUE = {str, bytes, bool, int, float, complex, type(None)}


def read_info(info: Any) -> dict[str, Any]:
    """Return a copy of ``info`` with the keys of the contract checked; None is an empty info.

    An environment may change its own dict and lists at the next step without touching the copy.

    Raises:
        ContractViolationError: It is not a dict, or a value breaks the contract.
    """
    checked = as_dict(info)
    for key in INFO_TYPES:
        if key in checked:
            checked[key] = read_key(key, checked[key])
    return checked


def as_dict(info: Any) -> dict[str, Any]:
    """Return a copy of ``info`` without the keys of the contract that are None.

    Raises:
        ContractViolationError: It is neither a dict nor None.
    """
    if info is None:
        return {}
    if not isinstance(info, Mapping):
        raise ContractViolationError(
            "info", f"info is {type(info).__name__}, not dict. Return {{}} if there is no info."
        )
    return {key: value for key, value in info.items() if value is not None or key not in INFO_TYPES}


def read_key(key: str, value: Any) -> Any:
    """Return the value of a key of the contract, checked.

    Raises:
        ContractViolationError: The value breaks the contract.
    """
    if not isinstance(value, INFO_TYPES[key]):
        names = " or ".join(kind.__name__ for kind in INFO_TYPES[key])
        raise ContractViolationError(
            "info",
            f"info[{key!r}] is {type(value).__name__}, not {names} (rllib_gigpo.envs.contract).",
        )
    return _READERS[key](key, value)


def shown(value: Any) -> str:
    """Return a short repr; that of a foreign class may fail."""
    try:
        text = valid_text(repr(value))
    except BaseException as error:  # the value's own code may raise anything
        if isinstance(error, KeyboardInterrupt):
            raise
        text = f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def text_of(error: BaseException) -> str:
    """Return an exception's text, short and printable; its own ``__str__`` may fail."""
    try:
        text = valid_text(str(error))
    except Exception:
        return "(its text cannot be read)"
    return text if len(text) <= _MAX_ERROR else f"{text[:_MAX_ERROR]}..."


def described(error: BaseException) -> str:
    """Return an exception's class and text."""
    return f"{type(error).__name__}: {text_of(error)}"


def _read_text(key: str, value: str) -> str:
    return valid_text(value)


def _read_texts(key: str, values: Sequence[Any]) -> list[str]:
    for value in values:
        if not isinstance(value, str):
            raise ContractViolationError(
                "info",
                f"info[{key!r}] contains {shown(value)}. It must be a list of non-empty strings.",
            )
    return [valid_text(value) for value in values]


def _read_anchor(key: str, anchor: Any) -> Any:
    if isinstance(anchor, str):
        return valid_text(anchor)
    try:
        hash(anchor)
        has_nan = _has_nan(anchor)
    except Exception as error:  # an anchor's class may have any __hash__ and __eq__
        raise ContractViolationError(
            "anchor",
            f"info['anchor'] is an unhashable {type(anchor).__name__}. Use text, a number or a "
            "tuple; for an array, its .tobytes().",
        ) from error
    if has_nan:
        raise ContractViolationError(
            "anchor",
            f"info['anchor'] is {shown(anchor)}, and NaN equals nothing, so the state could never "
            "recur. Use another value for what is unknown.",
        )
    if not _equals_its_copy(anchor):
        raise ContractViolationError(
            "anchor",
            f"info['anchor'] is a {type(anchor).__name__} that equals no copy of itself, so a state"
            " that recurs would not be found again. Use text, a number or a tuple of these.",
        )
    return anchor


def _equals_its_copy(anchor: Any) -> bool:
    """Return whether an anchor is compared by its value; objects usually are by identity."""
    if type(anchor) in _BY_VALUE:
        return True
    if isinstance(anchor, tuple | frozenset):
        return all(map(_equals_its_copy, anchor))
    try:
        twin = copy.deepcopy(anchor)
        return hash(twin) == hash(anchor) and bool(twin == anchor)
    except Exception:  # an anchor's class may do anything
        return False


def _has_nan(anchor: Any) -> bool:
    if isinstance(anchor, tuple | frozenset):
        return any(map(_has_nan, anchor))
    return bool(anchor != anchor)


def _read_flag(key: str, value: Any) -> bool:
    return bool(value)


def _read_number(key: str, value: Any) -> float:
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _read_role(key: str, role: str) -> str:
    if not role.strip():
        raise ContractViolationError(
            "info",
            f"info[{key!r}] is {role!r}. Name the agent that acts next, or leave the key out.",
        )
    return valid_text(role)


def _read_role_rewards(key: str, rewards: Mapping[Any, Any]) -> dict[str, float]:
    for role, reward in rewards.items():
        is_number = isinstance(reward, int | float | np.integer | np.floating)
        if not (isinstance(role, str) and is_number and abs(reward) <= MAX_REWARD):
            raise ContractViolationError(
                "info",
                f"info[{key!r}] pays {shown(reward)} to {shown(role)}. It must map names of roles"
                f" to finite numbers of at most {MAX_REWARD:g}.",
            )
    return {valid_text(role): float(reward) for role, reward in rewards.items()}


def _read_tool_results(key: str, results: Sequence[Any]) -> list[dict[str, str]]:
    for one in results:
        is_result = isinstance(one, Mapping) and {"name", "content"} <= one.keys()
        if not is_result or not all(isinstance(one[part], str) for part in ("name", "content")):
            raise ContractViolationError(
                "info",
                f"info[{key!r}] contains {shown(one)}. It must be a list of dicts with the texts"
                " 'name' (of the tool) and 'content' (what it returned).",
            )
    parts = ("name", "content", "id")
    return [{part: valid_text(str(one[part])) for part in parts if part in one} for one in results]


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    TASK: _read_text,
    ADMISSIBLE_ACTIONS: _read_texts,
    WON: _read_flag,
    ANCHOR: _read_anchor,
    EXPERT_ACTION: _read_text,
    SCORE: _read_number,
    TAGS: _read_texts,
    TASK_ID: _read_text,
    DATA_FILES: _read_texts,
    ROLE: _read_role,
    ROLE_REWARDS: _read_role_rewards,
    TOOL_RESULTS: _read_tool_results,
}
