"""How a verifiers task scores an answer: as the trace of a conversation with one turn."""

from __future__ import annotations

import asyncio
from typing import Any

from ...common.optional_backends import import_backend


def score_of(task: Any, answer: str) -> float:
    """Return the weighted sum of a task's rewards; 0 if they cannot read the answer.

    Rewards of tasksets parse answers carelessly, and verifiers wraps what they raise.
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
        asyncio.run(task.score(trace))
    except vf.TaskError:
        return 0.0
    return float(trace.reward)
