"""An event loop in its own thread, for async tools and for connections that stay open."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from typing import Any


class LoopThread:
    """A loop that starts at its first use. Its thread ends with the process at the latest.

    The thread that steps an environment may run a loop itself, in which nothing can be awaited.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self, result: Any, timeout_s: float | None = None) -> Any:
        """Return a result, or what it becomes if it has to be awaited.

        Raises:
            TimeoutError: It took longer than ``timeout_s``.
        """
        if not inspect.isawaitable(result):
            return result
        future = asyncio.run_coroutine_threadsafe(_awaited(result), self._running())
        try:
            value, error = future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise
        if error is not None:
            raise error
        return value

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine and return its `concurrent.futures.Future`."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def stop(self) -> None:
        """End the loop; it starts again at its next use."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), daemon=True).start()
        return self._loop


async def _awaited(result: Any) -> tuple[Any, BaseException | None]:
    """Return the value, or the error: ``SystemExit`` would end the loop instead."""
    try:
        return await result, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
