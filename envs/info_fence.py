"""The fence around ``info``: every key of the contract is checked and copied, text is cleaned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .common.clean_text import valid_text
from .contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    EXPERT_ACTION,
    INFO_TYPES,
    SCORE,
    TAGS,
    TASK,
    WON,
    ContractViolationError,
)

_MAX_SHOWN = 80


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
    except Exception:  # the value's own code may raise anything
        text = f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


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
    return anchor


def _has_nan(anchor: Any) -> bool:
    if isinstance(anchor, tuple | frozenset):
        return any(map(_has_nan, anchor))
    return bool(anchor != anchor)


def _keep(key: str, value: Any) -> Any:
    return value


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    TASK: _read_text,
    ADMISSIBLE_ACTIONS: _read_texts,
    WON: _keep,
    ANCHOR: _read_anchor,
    EXPERT_ACTION: _read_text,
    SCORE: _keep,
    TAGS: _read_texts,
}
