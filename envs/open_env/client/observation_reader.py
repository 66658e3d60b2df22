"""How a server's answer becomes text and the keys of the environment contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...contract import ANCHOR, DATA_FILES, INFO_TYPES, KEYS_OF_ROLES, ContractViolationError
from ...info_fence import read_key
from ..messages import METADATA, TRUNCATED, OpenEnvError
from .server_schema import ServerSchema

_SHOWN_ALL, _BEGIN = "json", "Begin."
_MISSING = object()


class ObservationReader:
    """Finds the text, and each key of ``info``, in an observation or its metadata.

    A key that is not mapped is looked for under its own name, and taken if its type is right. Only
    ``rllib serve-env`` means the contract's ``role`` by that name; others mean that of a message.

    Args:
        schema: The fields that the server's environment has.
        observation: The field with the text, or "json" for all fields; None takes "text", else the
            only field that holds text, else all.
        info: Keys of the contract -> fields, such as ``{"won": "metadata.solved"}``.

    Raises:
        ValueError: A name is wrong.
    """

    def __init__(
        self, schema: ServerSchema, observation: str | None, info: Mapping[str, str] | None
    ) -> None:
        # A server's files are not here.
        foreign = () if schema.is_ours else KEYS_OF_ROLES
        self._named = [key for key in INFO_TYPES if key not in (DATA_FILES, *foreign)]
        self._text_field = observation or schema.text_field or _SHOWN_ALL
        self._paths = dict(info or {})
        unknown = [key for key in self._paths if key not in INFO_TYPES]
        if unknown or not all(isinstance(path, str) for path in self._paths.values()):
            raise ValueError(
                f"info must map keys of the contract ({', '.join(INFO_TYPES)}) to names of fields; "
                f"got {info!r}. Fix it in env_config."
            )
        top = str(observation).partition(".")[0]
        known = {*schema.observation, METADATA, _SHOWN_ALL}
        if observation is not None and schema.observation and top not in known:
            raise ValueError(
                f"observation must be 'json' or a field of the server's observations "
                f"({', '.join(map(repr, schema.observation))}); got {observation!r}. Fix it in "
                "env_config."
            )

    def read(self, data: Mapping[str, Any]) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Return text, reward, terminated, truncated and info of an answer.

        Raises:
            OpenEnvError: The answer lacks the parts that OpenEnv's have.
        """
        seen, reward, done = data.get("observation"), data.get("reward"), data.get("done", False)
        is_number = reward is None or isinstance(reward, int | float)
        if not isinstance(seen, Mapping) or not is_number or not isinstance(done, bool):
            raise OpenEnvError(
                f"A server's answer is not an observation of OpenEnv: {str(data)[:200]}"
            )
        metadata = seen.get(METADATA) or data.get(METADATA) or {}
        fields = {**seen, METADATA: metadata if isinstance(metadata, Mapping) else {}}
        is_cut = done and fields[METADATA].get(TRUNCATED) is True
        info = {key: value for key, value in self._info(fields).items() if value is not _MISSING}
        try:
            text = self._text(fields)
        except RecursionError as error:
            raise OpenEnvError(
                "A server's observation is nested too deeply to be shown."
            ) from error
        return text, float(reward or 0.0), done and not is_cut, is_cut, info

    def _text(self, fields: Mapping[str, Any]) -> str:
        value = _find(fields, self._text_field)
        if isinstance(value, str):
            return value
        if value is _MISSING:
            value = {name: value for name, value in fields.items() if name != METADATA}
            if not value:  # some environments only begin
                return _BEGIN
        return json.dumps(value, ensure_ascii=False)

    def _info(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for key in INFO_TYPES:
            if key in self._paths:
                found[key] = _mapped(_find(fields, self._paths[key]), key)
            elif key in self._named:
                found[key] = _usable(fields.get(key, fields[METADATA].get(key, _MISSING)), key)
        return found


def _find(fields: Any, path: str) -> Any:
    """Return the value at a dotted path of names."""
    for name in path.split("."):
        if not isinstance(fields, Mapping) or name not in fields:
            return _MISSING
        fields = fields[name]
    return fields


def _mapped(value: Any, key: str) -> Any:
    """Return a mapped value; a state that is a list or a dict becomes text, to be an anchor."""
    if key == ANCHOR and isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True)
    return value


def _usable(value: Any, key: str) -> Any:
    """Return a value found by its name, if it can be meant for this key."""
    if key == ANCHOR:
        return value if isinstance(value, str | int) else _MISSING
    try:
        return value if value is _MISSING else read_key(key, value)
    except ContractViolationError:
        return _MISSING
