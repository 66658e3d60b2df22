"""OpenEnv: the environment of any of its servers, played through a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..adapters.adapter import AdapterEnv, Answer
from ..common.clean_text import valid_text
from ..common.option_checks import check_number, check_positive
from ..contract import ANCHOR, RUNS_IN_THREADS, WON
from .client.action_writer import ActionWriter, UnreadableActionError
from .client.observation_reader import ObservationReader
from .client.play_session import PlaySession, open_patiently
from .client.server_address import ServerAddress
from .client.server_schema import ServerSchema
from .messages import RESET, STEP, VALIDATION_ERROR, OpenEnvError


class OpenEnvEnv(AdapterEnv):
    """An environment on a server; each instance has a session of its own.

    A connection that is lost in the middle of an episode is an error, which costs the group; the
    next reset opens a new session, and waits for the server if it is about to come back.

    Args:
        url: The server's address, such as "http://127.0.0.1:8000".
        action: The field of the action that gets the agent's text, or "json" if the text is the
            whole action; None finds the field in the server's schema.
        observation: The field of the observation that the agent sees, or "json" for all of them;
            None finds it in the schema.
        info: Keys of the contract -> fields of observation or metadata, such as
            ``{"won": "metadata.solved"}``, beyond those that have the same name.
        reset_kwargs: What each reset sends beside the seed.
        timeout_s: The longest wait for an answer.
        reconnect_s: How long a server that has answered before may take to come back.
        won_reward: An episode is won if its last reward is at least this much; None leaves ``won``
            to the server.

    Raises:
        ValueError: An option is wrong.
        OpenEnvError: The server cannot be used; the message says why.
        ImportError: The package websockets is not installed.
    """

    metadata = {"render_modes": [], RUNS_IN_THREADS: True}  # noqa: RUF012

    def __init__(
        self,
        url: str,
        *,
        action: str | None = None,
        observation: str | None = None,
        info: Mapping[str, str] | None = None,
        reset_kwargs: Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
        reconnect_s: float = 60.0,
        won_reward: float | None = None,
    ) -> None:
        super().__init__(
            url=url,
            action=action,
            observation=observation,
            info=info,
            reset_kwargs=reset_kwargs,
            timeout_s=timeout_s,
            reconnect_s=reconnect_s,
            won_reward=won_reward,
        )
        check_positive("timeout_s", timeout_s)
        check_number("reconnect_s", reconnect_s, low=0, high=86_400)
        self._address = ServerAddress.parse(url)
        self._timeout_s, self._reconnect_s = timeout_s, reconnect_s
        self._reset_kwargs, self._won_reward = dict(reset_kwargs or {}), won_reward
        schema = self._patiently(lambda: ServerSchema.fetch(self._address, timeout_s=timeout_s))
        self._writer = ActionWriter(schema, action)
        self._reader = ObservationReader(schema, observation, info)
        self._ensure_open()

    def _patiently(self, open_once: Any) -> Any:
        return open_patiently(open_once, self._address, wait_s=self._reconnect_s)

    def _open(self) -> PlaySession:
        return self._patiently(lambda: PlaySession(self._address, timeout_s=self._timeout_s))

    def _shut(self, game: PlaySession) -> None:
        game.close()

    def _clean(self, action: str) -> str:
        return valid_text(action)  # code and JSON have several lines

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        was_open = self._opened is not None
        try:
            return self._answered(RESET, {**self._reset_kwargs, "seed": seed})[::4]
        except OpenEnvError:
            if not (was_open and self._opened.is_lost):
                raise
        self.close()  # the connection was lost between two episodes
        return self._answered(RESET, {**self._reset_kwargs, "seed": seed})[::4]

    def _play(self, action: str) -> Answer:
        try:
            return self._answered(STEP, self._writer.write(action))
        except UnreadableActionError as error:
            return self._refused(str(error))
        except OpenEnvError as error:
            if error.code != VALIDATION_ERROR:
                raise
            return self._refused("The environment has no such action.")

    def _answered(self, kind: str, data: dict[str, Any]) -> Any:
        answer = self._reader.read(self._game.ask(kind, data))
        text, reward, terminated, truncated, info = answer
        if self._won_reward is not None:
            info[WON] = (terminated or truncated) and reward >= self._won_reward
        self._last = (text, info)
        return answer

    def _refused(self, why: str) -> Answer:
        text, info = self._last
        return why, 0.0, False, False, {**info, ANCHOR: info.get(ANCHOR, text)}
