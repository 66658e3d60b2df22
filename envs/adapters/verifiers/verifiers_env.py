"""Verifiers (v1): tasksets whose tasks are a prompt, an answer in one turn, and its scoring."""

from __future__ import annotations

import asyncio
from typing import Any

from ...common.optional_backends import import_backend
from ...contract import ANCHOR, FIRST_TEST_SEED, SCORE, TAGS, TASK, TASK_ID, WON
from ..adapter import AdapterEnv, Answer
from .verifiers_tasks import plain_tasks


class VerifiersEnv(AdapterEnv):
    """An installed taskset; every fifth of its tasks is kept for seeds of test tasks.

    Args:
        name: Its id, which is the name of its package.
        num_tasks: The tasks to load at most, from its start.
        **config: Its own settings.
    """

    def __init__(self, name: str, *, num_tasks: int = 1000, **config: Any) -> None:
        super().__init__(name=name, num_tasks=num_tasks, **config)
        self._name, self._vf = name, import_backend("verifiers.v1", extra="verifiers")
        self._tasks = tasks = plain_tasks(name, num_tasks, config)
        self._splits = [task for place, task in enumerate(tasks) if place % 5 != 4], tasks[4::5]

    def _open(self) -> Any:
        return self._tasks

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        tasks = self._splits[seed >= FIRST_TEST_SEED]
        self._task = tasks[seed % len(tasks)]
        return "Write your answer.", self._info(0.0)

    def _play(self, action: str) -> Answer:
        vf, data = self._vf, self._task.data
        asked = vf.MessageNode(message=vf.UserMessage(content=data.prompt_text))
        said = vf.AssistantMessage(content=action)
        trace = vf.Trace(
            task=vf.TraceTask(type=type(self._task).__name__, data=data),
            agent=vf.AgentInfo(config=vf.AgentConfig()),
            nodes=[asked, vf.MessageNode(message=said, parent=0, sampled=True)],
            is_completed=True,
            ok=True,
        )
        asyncio.run(self._task.score(trace))
        text = f"The answer scores {trace.reward:g}."
        return text, trace.reward, True, False, self._info(trace.reward)

    def _info(self, score: float) -> dict[str, Any]:
        data = self._task.data
        task = "\n\n".join(part for part in (data.system_prompt, data.prompt_text) if part)
        info = {TASK: task, ANCHOR: task, WON: score >= 1, SCORE: score, TAGS: [self._name]}
        return info | {TASK_ID: f"{self._name}/{data.idx}"}
