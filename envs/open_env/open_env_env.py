"""OpenEnv: the environment of any of its servers, played through a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..adapters.adapter import AdapterEnv, Answer
from ..common.clean_text import valid_text
from ..common.option_checks import check_number, check_positive
from ..contract import (
    ANCHOR,
    MAX_REWARD,
    ROLE_REWARDS,
    RUNS_IN_THREADS,
    TASK,
    TOOL_RESULTS,
    WON,
)
from .client.action_writer import ActionWriter, UnreadableActionError
from .client.observation_reader import ObservationReader
from .client.patient_opening import open_patiently
from .client.play_session import PlaySession
from .client.server_address import ServerAddress
from .client.server_place import PackagedServer, RunningServer, ServerPlace
from .client.server_schema import ServerSchema
from .client.tool_menu import ask_for_tools
from .messages import RESET, STEP, VALIDATION_ERROR, OpenEnvError

T = TypeVar("T")
_OF_ONE_STEP = (ROLE_REWARDS, TOOL_RESULTS)  # what a step paid and returned, not a state


class OpenEnvEnv(AdapterEnv):
    """An environment on a server; each instance has its own session.

    A connection that is lost in the middle of an episode is an error, which costs the group; the
    next reset opens a new session, and waits for the server if it is about to come back.

    Args:
        url: The server's address, such as "http://127.0.0.1:8000".
        package: An OpenEnv package, such as "echo_env", to be served in its own process for
            this instance, instead of ``url``.
        python: The Python that has the package; None is the one that runs.
        token_variable: The environment variable with the token for a protected ``url``, which is
            sent as ``Authorization: Bearer ...``.
        action: The field of the action that gets the agent's text, or "json" if the text is the
            whole action; None finds the field in the server's schema.
        observation: The field of the observation that the agent sees, or "json" for all of them;
            None finds it in the schema.
        info: Keys of the contract -> fields of observation or metadata, such as
            ``{"won": "metadata.solved"}``, beyond those that have the same name.
        reset_kwargs: What each reset sends beside the seed.
        timeout_s: The longest wait for an answer, in seconds.
        reconnect_s: How long a server that has answered before may take to come back, in seconds.
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
        url: str | None = None,
        *,
        package: str | None = None,
        python: str | None = None,
        token_variable: str | None = None,
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
            package=package,
            python=python,
            token_variable=token_variable,
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
        if won_reward is not None:
            check_number("won_reward", won_reward, low=-MAX_REWARD, high=MAX_REWARD)
        self._timeout_s, self._reconnect_s = timeout_s, reconnect_s
        self._reset_kwargs, self._won_reward = dict(reset_kwargs or {}), won_reward
        self._place = self._find(url, package, python, token_variable)
        self._menu = ""
        try:
            self._schema = self._patiently(self._fetch_schema)
            self._writer = ActionWriter(self._schema, action)
            self._reader = ObservationReader(self._schema, observation, info)
            self._ensure_open()
        except BaseException:
            self._place.close()
            raise

    def close(self) -> None:
        """End the session, and the server of a package."""
        super().close()
        self._place.close()

    def _find(
        self, url: str | None, package: str | None, python: str | None, token_variable: str | None
    ) -> ServerPlace:
        stray = python if package is None else token_variable
        if (url is None) == (package is None) or stray is not None:
            raise ValueError(
                "Pass either url (with token_variable if need be) or package (with python if need "
                f"be) in env_config; got url={url!r}, token_variable={token_variable!r}, "
                f"package={package!r}, python={python!r}."
            )
        if package is not None:
            return PackagedServer(package, python=python, start_s=self._timeout_s)
        return RunningServer(url, token_variable=token_variable)

    def _patiently(self, open_once: Callable[[ServerAddress], T]) -> T:
        address = self._place.address()
        return open_patiently(lambda: open_once(address), address, wait_s=self._reconnect_s)

    def _fetch_schema(self, address: ServerAddress) -> ServerSchema:
        return ServerSchema.fetch(address, timeout_s=self._timeout_s)

    def _open_session(self, address: ServerAddress) -> PlaySession:
        return PlaySession(address, timeout_s=self._timeout_s)

    def _open(self) -> PlaySession:
        session = self._patiently(self._open_session)
        if self._schema.has_tools:
            try:
                self._menu = ask_for_tools(session)
            except BaseException:
                session.close()
                raise
        return session

    def _shut(self, game: PlaySession) -> None:
        game.close()

    def _clean(self, action: str) -> str:
        return valid_text(action)  # code and JSON have several lines

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        message = {**self._reset_kwargs, "seed": seed}
        was_open = self._opened is not None
        try:
            return self._answered(RESET, message)[::4]
        except OpenEnvError as error:
            if not was_open or error.code == VALIDATION_ERROR:
                raise
        self.close()  # the session was lost, idle for too long, or spoilt by its last episode
        return self._answered(RESET, message)[::4]

    def _play(self, action: str) -> Answer:
        try:
            return self._answered(STEP, self._writer.write(action))
        except UnreadableActionError as error:
            return self._refused(str(error))
        except OpenEnvError as error:
            if error.code != VALIDATION_ERROR:
                raise
            return self._refused(f"That is not a valid action. {error.detail}")

    def _answered(self, kind: str, data: dict[str, Any]) -> Any:
        answer = self._reader.read(self._game.ask(kind, data))
        text, reward, terminated, truncated, info = answer
        if self._menu:
            info.setdefault(TASK, self._menu)
        if self._won_reward is not None:
            info[WON] = (terminated or truncated) and reward >= self._won_reward
        self._last = (text, info)
        return answer

    def _refused(self, why: str) -> Answer:
        text, info = self._last
        state = {key: value for key, value in info.items() if key not in _OF_ONE_STEP}
        return why, 0.0, False, False, {**state, ANCHOR: info.get(ANCHOR, text)}
