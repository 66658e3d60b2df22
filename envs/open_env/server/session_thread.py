"""A session's thread: its environment is made, played and closed there, call by call."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from ...info_fence import described
from ..messages import FACTORY_ERROR
from .hosted_session import HostedSession, error_answer
from .served_env import ServedEnv


class SessionThread:
    """Runs the calls of one session, which may hang, away from the server's event loop.

    The thread is a daemon, so that a call that never returns does not keep the process alive. Once
    a call has run out of time, the thread only waits for its end, and closes the environment then.

    Args:
        served: The environment.
        max_action_chars: The longest text of an action.
        turns: What a call holds while it runs; a lock that sessions share makes them take turns.
        limit_s: The longest time of a call, without the wait for its turn.
    """

    def __init__(
        self,
        served: ServedEnv,
        *,
        max_action_chars: int,
        turns: AbstractAsyncContextManager[Any],
        limit_s: float,
    ) -> None:
        self._served, self._max_chars = served, max_action_chars
        self._turns, self._limit_s = turns, limit_s
        self._session: HostedSession | None = None
        self._is_closed = self._has_turn = self._is_stuck = False
        self._last: asyncio.Task[Any] | None = None
        self._calls: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="open-env", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        """Whether a call runs, or waits for its turn."""
        return self._is_stuck or (self._last is not None and not self._last.done())

    async def open(self) -> str | None:
        """Make the environment; return "", or an error as JSON text, or None: out of time."""
        return await self._call(self._open)

    async def answer(self, kind: str, data: dict[str, Any]) -> str | None:
        """Return the answer to a message as JSON text; None if the time ran out."""
        assert self._session is not None
        return await self._call(self._session.answer, kind, data)

    async def close(self) -> None:
        """Close the environment, after the call that runs; return at once if one is stuck."""
        if self._last is not None and not self._last.done():
            if not self._has_turn:
                self._last.cancel()
            await asyncio.wait({self._last})
        if self._is_stuck:
            self._calls.put((self._close, (), lambda result: None))
        else:
            await self._in_turn(self._close)

    async def _call(self, call: Callable[..., str], *arguments: Any) -> str | None:
        # If the client leaves, the call keeps its turn, because it cannot be stopped.
        self._last = asyncio.create_task(self._in_turn(call, *arguments))
        return await asyncio.shield(self._last)

    async def _in_turn(self, call: Callable[..., str], *arguments: Any) -> str | None:
        async with self._turns:
            self._has_turn = True
            try:
                return await self._in_time(call, *arguments)
            finally:
                self._has_turn = False

    async def _in_time(self, call: Callable[..., str], *arguments: Any) -> str | None:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[str] = loop.create_future()

        def deliver(value: str) -> None:
            with suppress(RuntimeError):  # the server has ended in the meantime
                loop.call_soon_threadsafe(_set, result, value)

        self._calls.put((call, arguments, deliver))
        done, _ = await asyncio.wait({result}, timeout=self._limit_s)
        self._is_stuck = not done
        return result.result() if done else None

    def _run(self) -> None:
        while not self._is_closed:
            call, arguments, deliver = self._calls.get()
            deliver(call(*arguments))

    def _open(self) -> str:
        try:
            env = self._served.make()
        except BaseException as error:  # the environment's constructor may raise anything
            return error_answer(FACTORY_ERROR, described(error), factory_name=self._served.env_id)
        self._session = HostedSession(env, max_action_chars=self._max_chars)
        return ""

    def _close(self) -> str:
        self._is_closed = True
        if self._session is not None:
            self._session.close()
        return ""


def _set(result: asyncio.Future[str], value: str) -> None:
    if not result.done():
        result.set_result(value)
