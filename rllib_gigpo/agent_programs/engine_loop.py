"""Brings the calls of many threads to one engine, and the engine's answers back.

An engine is not thread-safe, and new weights are loaded between two of its steps. So the calls wait
in a queue, and the thread of the EnvRunner, which also loads the weights, takes them out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from rllib_gigpo.agent_programs.chat.chat_answer import ChatAnswer
from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest
from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest
from rllib_gigpo.rl_modules.engine_module import EngineModule

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class AskedCall:
    """A call that waits for its answer.

    Attributes:
        api_key: The key that names the episode.
        request: What was asked.
        anchor: The anchor that the request's header names; None without one.
        answer: Becomes the answer, or a `ChatError`.
        is_abandoned: Whether the program no longer waits.
    """

    api_key: str
    request: ChatRequest
    anchor: str | None = None
    answer: Future[ChatAnswer] = field(default_factory=Future)
    is_abandoned: bool = False

    def reply(self, answer: ChatAnswer) -> None:
        """Answer the call."""
        with contextlib.suppress(InvalidStateError):
            self.answer.set_result(answer)

    def refuse(self, error: ChatError) -> None:
        """Refuse the call."""
        with contextlib.suppress(InvalidStateError):
            self.answer.set_exception(error)


class EngineLoop(Generic[Owner]):
    """The queue in front of an engine.

    `ask` may be called on any thread; everything else on the one that owns the engine.
    """

    def __init__(self, module: EngineModule) -> None:
        """Wait for calls.

        Args:
            module: The engine's RLModule.
        """
        self._module = module
        self._asked: SimpleQueue[AskedCall] = SimpleQueue()
        self._owners: dict[str, Owner] = {}

    def ask(self, call: AskedCall) -> None:
        """Queue a call."""
        self._asked.put(call)

    def take(self, *, wait_s: float = 0.0) -> list[AskedCall]:
        """Return the calls that have been queued since the last time.

        Args:
            wait_s: Longest wait for the first one.
        """
        calls: list[AskedCall] = []
        with contextlib.suppress(Empty):
            calls.append(self._asked.get(timeout=wait_s) if wait_s else self._asked.get_nowait())
            while True:
                calls.append(self._asked.get_nowait())
        return calls

    def submit(self, request: GenerationRequest, owner: Owner) -> None:
        """Give a prompt to the engine; `advance` returns its owner with the answer."""
        self._module.submit([request])
        self._owners[request.request_id] = owner

    def abort(self, request_ids: Iterable[str]) -> None:
        """Drop prompts; unknown ids are ignored."""
        known = [one for one in request_ids if self._owners.pop(one, None) is not None]
        if known:
            self._module.engine.abort(known)

    def advance(self) -> list[tuple[Owner, Generation]]:
        """Advance the engine by one step; return what has finished, with its owners."""
        if not self._owners:
            return []
        return [(self._owners.pop(one.request_id), one) for one in self._module.poll()]

    @property
    def owners(self) -> dict[str, Owner]:
        """The owners of the prompts in the engine, by request id."""
        return dict(self._owners)

    @property
    def is_busy(self) -> bool:
        """Whether the engine has a prompt to answer."""
        return bool(self._owners)
