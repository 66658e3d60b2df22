"""How a verifiers task scores an answer: as the trace of a conversation with one turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ...common.optional_backends import import_backend
from ...tools.loop_thread import LoopThread


def score_of(task: Any, answer: str, thread: LoopThread) -> float:
    """Return the weighted sum of a task's rewards; 0 if they cannot read the answer.

    Rewards of tasksets parse answers carelessly, and verifiers wraps what they raise. ``thread``
    scores where an event loop runs already, as in a notebook.
    """
    vf = import_backend("verifiers.v1", extra="verifiers")
    asked = vf.MessageNode(message=vf.UserMessage(content=task.data.prompt_text))
    said = vf.AssistantMessage(content=answer)
    trace = vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data),
        agent=vf.AgentInfo(config=vf.AgentConfig()),
        nodes=[asked, vf.MessageNode(message=said, parent=0, sampled=True)],
        is_completed=True,
        ok=True,
    )
    try:
        _finish(task.score(trace), thread)
    except vf.TaskError:
        return 0.0
    return float(trace.reward)


def _finish(scoring: Coroutine[Any, Any, None], thread: LoopThread) -> None:
    """Score, here if that can be: rewards may set alarms, which only the main thread can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(scoring)
    else:
        thread.wait(scoring)
