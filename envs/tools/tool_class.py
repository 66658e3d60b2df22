"""A plain class as an environment: which of its methods are tools, and how it is reset and paid."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..info_fence import described
from .loop_thread import LoopThread
from .tool import MethodTool
from .tool_tasks import named_object

_NOT_TOOLS = ("reset", "get_reward")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class HookError(RuntimeError):
    """A function of the user failed; the message names it."""


@contextmanager
def hook(name: str) -> Iterator[None]:
    """Name a function of the user in what it raises."""
    try:
        yield
    except Exception as error:
        raise HookError(f"{name} failed with {described(error)}") from error


class ToolClass:
    """An instance of a user's class.

    Args:
        environment: The class, a function that returns an instance, or "module:name" of one.
        thread: Runs its async methods.

    Raises:
        ValueError: It has no ``reset``, or cannot be imported, or a tool cannot be described.
    """

    def __init__(self, environment: Any, thread: LoopThread) -> None:
        if isinstance(environment, str):
            environment = named_object(environment, "environment")
        if not callable(environment):
            raise ValueError(
                f"environment={environment!r} must be a class, a function that returns an instance,"
                " or 'module:name' of one. Fix it in env_config."
            )
        needed = _needed_arguments(environment)
        if needed:
            raise ValueError(
                f"environment={environment!r} needs {', '.join(needed)}, but is made without"
                " arguments. Give them defaults, or name a function that returns an instance."
            )
        self.instance = environment()
        self._thread = thread
        self._name = type(self.instance).__name__
        if not callable(getattr(self.instance, "reset", None)):
            raise ValueError(
                f"{self._name} has no method reset. Add reset(self, **task), which begins a task"
                " and returns what the agent is told, or None."
            )
        self.tools = [
            MethodTool(name, getattr(self.instance, name), wait=thread.wait)
            for name in self._tool_names()
        ]
        parameters = inspect.signature(self.instance.reset).parameters.values()
        self._takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
        self._takes = {one.name for one in parameters if one.kind in _NAMED}
        self._needs = set(_needed_arguments(self.instance.reset)) - {"seed"}

    def check_row(self, row: Mapping[str, Any], where: str) -> None:
        """Check that a task has the arguments of ``reset``.

        Args:
            row: The task.
            where: What it is, for the message.

        Raises:
            ValueError: It lacks one, or has one that ``reset`` does not take.
        """
        takes = f"{self._name}.reset takes {', '.join(sorted(self._takes)) or 'nothing'}"
        missing = sorted(self._needs - set(row))
        if missing:
            raise ValueError(f"{where} lacks {missing[0]!r}: {takes}.")
        unknown = sorted(set(row) - self._takes - {"prompt"})
        if unknown and not self._takes_any:
            raise ValueError(
                f"{where} has {unknown[0]!r}, but {takes}. Add it there, or **kwargs, or leave it"
                " out of the task."
            )

    def reset(self, row: Mapping[str, Any], *, seed: int) -> str:
        """Begin a task, whose row is checked, and return what the agent is told of it.

        Raises:
            HookError: ``reset`` failed.
            TypeError: It returned something that is not text.
        """
        given = dict(row)
        if "seed" in self._takes:
            given.setdefault("seed", seed)
        if not self._takes_any and "prompt" not in self._takes:
            given.pop("prompt", None)
        with hook(f"{self._name}.reset"):
            text = self._thread.wait(self.instance.reset(**given))
        if text is not None and not isinstance(text, str):
            raise TypeError(
                f"{self._name}.reset returned {type(text).__name__}; it must return a string, which"
                " is added to the task's prompt, or None."
            )
        return text or ""

    def check_reward(self, function: Callable[..., Any] | None) -> None:
        """Check, after a reset, that there is a reward.

        Raises:
            ValueError: There is none.
        """
        own, reward = (getattr(self.instance, name, None) for name in ("get_reward", "reward"))
        if function is None and not callable(own) and (reward is None or callable(reward)):
            raise ValueError(
                f"{self._name} has neither get_reward() nor an attribute reward. Add one, or set"
                " env_config's reward to a function of the instance and the final answer."
            )

    @property
    def is_done(self) -> bool:
        """Whether the instance says by an attribute ``done`` that the episode is over."""
        with hook(f"{self._name}.done"):
            done = getattr(self.instance, "done", False)
        return not callable(done) and bool(done)

    @property
    def won(self) -> bool | None:
        """Its attribute ``won``; None if it has none."""
        with hook(f"{self._name}.won"):
            won = getattr(self.instance, "won", None)
        return None if won is None or callable(won) else bool(won)

    def reward(self, function: Callable[..., Any] | None, answer: str | None) -> float:
        """Return the reward of the episode.

        Args:
            function: A function of the instance and the answer that decides; None for the class's
                own ``get_reward`` or attribute ``reward``.
            answer: The final answer; None if the episode ended otherwise.
        """
        own = getattr(self.instance, "get_reward", None)
        if function is not None:
            with hook("env_config['reward']"):
                return self._thread.wait(function(self.instance, answer))
        with hook(f"{self._name}.{'get_reward' if callable(own) else 'reward'}"):
            if callable(own):
                return self._thread.wait(own(answer) if _takes_answer(own) else own())
            return self.instance.reward

    def close(self) -> None:
        """Call its ``close()`` if it has one without parameters."""
        if self._is_plain_close():
            self._thread.wait(self.instance.close())

    def _is_plain_close(self) -> bool:
        close = getattr(self.instance, "close", None)
        return callable(close) and not inspect.signature(close).parameters

    def _tool_names(self) -> Iterator[str]:
        """Yield the names of the public methods, in the order of their definition.

        Class methods and static methods are among them.
        """
        kind = type(self.instance)
        names = dict.fromkeys(name for one in reversed(kind.__mro__) for name in vars(one))
        for name in names:
            if name.startswith("_") or name in _NOT_TOOLS:
                continue
            method = getattr(kind, name, None)  # of a class method, it is bound to the class
            if not inspect.isfunction(method) and not inspect.ismethod(method):
                continue
            if name == "close" and self._is_plain_close():
                continue
            yield name


def _needed_arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default; none if nothing is known of them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a function in C
        return []
    empty = inspect.Parameter.empty
    return [one.name for one in parameters if one.kind in _NAMED and one.default is empty]


def _takes_answer(get_reward: Callable[..., Any]) -> bool:
    """Return whether ``get_reward`` names an answer, or needs one; other parameters are its own."""
    parameters = inspect.signature(get_reward).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(
        one.kind in positional and (one.name == "answer" or one.default is inspect.Parameter.empty)
        for one in parameters
    )
