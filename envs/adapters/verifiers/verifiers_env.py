"""Verifiers (v1): tasksets whose tasks are a prompt, an answer in one turn, and its scoring."""

from __future__ import annotations

from typing import Any

from ...common.clean_text import valid_text
from ...contract import ANCHOR, FIRST_TEST_SEED, SCORE, TAGS, TASK, TASK_ID, WON
from ...tools.loop_thread import LoopThread
from ..adapter import AdapterEnv, Answer
from .verifiers_score import score_of
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
        self._name, self._thread = name, LoopThread()
        self._tasks = tasks = plain_tasks(name, num_tasks, config)
        self._splits = [task for place, task in enumerate(tasks) if place % 5 != 4], tasks[4::5]

    def close(self) -> None:
        """End the episode, and the thread that scores."""
        super().close()
        self._thread.stop()

    def _open(self) -> Any:
        return self._tasks

    def _clean(self, action: str) -> str:
        return valid_text(action).strip()  # answers such as code have several lines

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        tasks = self._splits[seed >= FIRST_TEST_SEED]
        self._task = tasks[seed % len(tasks)]
        return "Write your answer.", self._info(0.0)

    def _play(self, action: str) -> Answer:
        score = score_of(self._task, action, self._thread)
        return f"The answer scores {score:g}.", score, True, False, self._info(score)

    def _info(self, score: float) -> dict[str, Any]:
        data = self._task.data
        task = "\n\n".join(part for part in (data.system_prompt, data.prompt_text) if part)
        info = {TASK: task, ANCHOR: task, WON: score >= 1, SCORE: score, TAGS: [self._name]}
        return info | {TASK_ID: f"{self._name}/{data.idx}"}
