"""One session on the server: an environment, and the answers to a client's messages."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gymnasium

from ...info_fence import described
from ...response_fence import read_reset, read_step
from ..messages import (
    ERROR,
    EXECUTION_ERROR,
    METADATA,
    OBSERVATION,
    RESET,
    STATE,
    STEP,
    TEXT,
    TRUNCATED,
    UNKNOWN_TYPE,
    VALIDATION_ERROR,
    encode,
)
from .json_info import split_info

_RESET_KEYS = ("seed", "episode_id", "options")
_MAX_ID_CHARS = 255  # as in openenv's ResetRequest


class InvalidMessageError(ValueError):
    """A message that does not fit the schema; the text says what does."""


class HostedSession:
    """Plays one environment; its calls block and must not overlap."""

    def __init__(self, env: gymnasium.Env, *, max_action_chars: int) -> None:
        """Take over the environment; ``close`` closes it."""
        self._env, self._max_chars = env, max_action_chars
        self._episode_id: str | None = None
        self._num_steps = 0

    def answer(self, kind: str, data: dict[str, Any]) -> str:
        """Return the answer to a message, as JSON text; errors are answers too."""
        try:
            if kind == RESET:
                return self._reset(data)
            if kind == STEP:
                return self._step(data)
            if kind == STATE:
                state = {"episode_id": self._episode_id, "step_count": self._num_steps}
                return encode(STATE, state)
        except InvalidMessageError as error:
            return error_answer(VALIDATION_ERROR, str(error))
        except BaseException as error:  # an environment may raise anything, and call sys.exit()
            return error_answer(EXECUTION_ERROR, described(error))
        return error_answer(UNKNOWN_TYPE, f"Unknown message type: {kind[:80]}")

    def close(self) -> None:
        """Close the environment; a broken one may also fail to close, which does no harm."""
        with suppress(BaseException):
            self._env.close()

    def _reset(self, data: dict[str, Any]) -> str:
        seed, episode_id, options = (data.get(key) for key in _RESET_KEYS)
        unknown = sorted(set(data) - set(_RESET_KEYS))
        if unknown:
            raise InvalidMessageError(f"reset takes {', '.join(_RESET_KEYS)}; got {unknown[0]!r}.")
        if seed is not None and (type(seed) is not int or seed < 0):
            raise InvalidMessageError(f"seed must be a whole number of at least 0; got {seed!r}.")
        is_id = isinstance(episode_id, str) and len(episode_id) <= _MAX_ID_CHARS
        if not (episode_id is None or is_id) or not isinstance(options, dict | None):
            raise InvalidMessageError(
                f"episode_id must be text of at most {_MAX_ID_CHARS} characters, and options a dict"
            )
        observation, info = read_reset(self._env.reset(seed=seed, options=options))
        self._episode_id, self._num_steps = episode_id, 0
        return _observed(observation, info)

    def _step(self, data: dict[str, Any]) -> str:
        action = data.get(TEXT)
        if not isinstance(action, str) or not set(data) <= {TEXT, METADATA}:
            raise InvalidMessageError(f'an action is {{"{TEXT}": text}}; got {list(data)[:8]}.')
        if len(action) > self._max_chars:
            raise InvalidMessageError(
                f"the text has {len(action)} characters; at most {self._max_chars} are read."
            )
        observation, reward, terminated, truncated, info = read_step(self._env.step(action))
        self._num_steps += 1
        end = {"done": terminated or truncated, "is_cut": truncated and not terminated}
        return _observed(observation, info, reward=reward, **end)


def _observed(
    text: Any,
    info: dict[str, Any],
    *,
    reward: float | None = None,
    done: bool = False,
    is_cut: bool = False,
) -> str:
    if not isinstance(text, str):
        raise TypeError(f"the observation is {type(text).__name__}, not text")
    seen, metadata = split_info(info)
    metadata[TRUNCATED] = is_cut
    parts = {TEXT: text, **seen, METADATA: metadata}
    # Openenv's own servers send the metadata twice too, for their two kinds of clients.
    data = {"observation": parts, "reward": reward, "done": done, METADATA: metadata}
    return encode(OBSERVATION, data)


def error_answer(code: str, message: str, **facts: Any) -> str:
    """Return an error of the protocol, as JSON text."""
    return encode(ERROR, {"message": message, "code": code, **facts})
