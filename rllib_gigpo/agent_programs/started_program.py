"""Programs under way: functions in threads, commands in processes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from rllib_gigpo.agent_programs.output_tail import OutputTail
from rllib_gigpo.env_runner.env_source import is_fault
from rllib_gigpo.envs.info_fence import described
from rllib_gigpo.errors import ConfigError

# Starts the command and waits for it. Where Linux tells it that the process that started it has
# died, even if that was killed, it ends the whole group of processes (PR_SET_PDEATHSIG).
_GUARD = """
import ctypes, os, signal, subprocess, sys
parent, *words = sys.argv[1:]
def end(*_):
    os.killpg(0, signal.SIGKILL)
signal.signal(signal.SIGTERM, end)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(parent):
        end()
status = subprocess.call(words)
sys.exit(status if status >= 0 else 128 - status)
"""
_KEPT_OUTPUT = 100_000  # bytes of a command's output that its reward may read
_SHOWN_ERROR = 800  # bytes of a command's errors in a message
_PROXY_EXCEPTIONS = ("NO_PROXY", "no_proxy")  # some clients prefer the one, some the other
_PIPE_WAIT_S = 1.0  # for the rest of what a command wrote before it ended


@dataclass(frozen=True, slots=True)
class ProgramAccess:
    """What a program needs in order to play one episode.

    Attributes:
        base_url: The URL of the endpoint, before ``/chat/completions``.
        api_key: The key that names the episode.
        seed: The seed of the task.
        is_training: Whether the episode is for training.
    """

    base_url: str
    api_key: str
    seed: int
    is_training: bool


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How a program ended.

    Attributes:
        result: What the function returned, or the text that the command printed.
        error: What went wrong; None if nothing did.
    """

    result: Any = None
    error: str | None = None


class StartedProgram(ABC):
    """A program that plays one episode."""

    @abstractmethod
    def poll(self) -> ProgramEnd | None:
        """Return how it ended; None while it runs."""

    @abstractmethod
    def end(self) -> None:
        """End it now, if it still runs."""

    def last_words(self) -> str:
        """Return what it said last, for a message; empty if that is not known."""
        return ""


def check_program(program: Callable[..., Any] | Sequence[str]) -> None:
    """Check that a program can be started with what it gets.

    Args:
        program: A function, or a command as a list of words.

    Raises:
        ConfigError: A function takes an argument that programs do not get, or there is no such
            command.
    """
    if callable(program):
        _arguments_of(program, ProgramAccess("", "", seed=0, is_training=True))
    elif shutil.which(program[0]) is None:
        raise ConfigError(
            f"env_config['program']: there is no command {program[0]!r}; install it, or name its"
            " path"
        )


def start_program(
    program: Callable[..., Any] | Sequence[str], access: ProgramAccess
) -> StartedProgram:
    """Start a program that `check_program` accepts.

    Args:
        program: A function, or a command as a list of words.
        access: What it gets.
    """
    if callable(program):
        return ThreadProgram(program, access)
    return ProcessProgram(program, access)


class ThreadProgram(StartedProgram):
    """A function in a daemon thread; nobody can end it, so at its end it is left alone."""

    def __init__(self, function: Callable[..., Any], access: ProgramAccess) -> None:
        """Start the function, which may be a coroutine function.

        Args:
            function: The function.
            access: The values of those arguments that it names.
        """
        arguments = _arguments_of(function, access)
        self._end: ProgramEnd | None = None
        name = f"program-{access.api_key[-6:]}"
        Thread(target=self._run, args=(function, arguments), name=name, daemon=True).start()

    def _run(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        try:
            result = function(**arguments)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
            self._end = ProgramEnd(result)
        except BaseException as error:  # it may call sys.exit()
            if not is_fault(error):
                raise
            self._end = ProgramEnd(error=described(error))

    def poll(self) -> ProgramEnd | None:
        """Return how it ended; None while it runs."""
        return self._end

    def end(self) -> None:
        """Leave it alone: its key no longer works, so its next call raises an error."""


class ProcessProgram(StartedProgram):
    """A command in its own process group."""

    def __init__(self, words: Sequence[str], access: ProgramAccess) -> None:
        """Start the command.

        Args:
            words: The program and its arguments; see `ProgramSettings`.
            access: What is filled into the words and the environment variables.
        """
        values = {name: str(value) for name, value in asdict(access).items()}
        filled = [_filled(word, values) for word in words]
        variables = {
            "OPENAI_BASE_URL": access.base_url,
            "OPENAI_API_KEY": access.api_key,
            "TASK_SEED": str(access.seed),
            **dict.fromkeys(_PROXY_EXCEPTIONS, _without_proxy(access.base_url)),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *filled],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            self._out = OutputTail(self._process.stdout, _KEPT_OUTPUT)
            self._errors = OutputTail(self._process.stderr, _SHOWN_ERROR)
        except BaseException:  # such as no room for another thread
            self.end()
            raise

    def poll(self) -> ProgramEnd | None:
        """Return how it ended; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        if status == 0:
            return ProgramEnd(self._out.text(wait_s=_PIPE_WAIT_S))
        errors = self._errors.text(wait_s=_PIPE_WAIT_S).strip() or "it wrote nothing to stderr"
        return ProgramEnd(error=f"the command ended with status {status}: {errors}")

    def last_words(self) -> str:
        """Return the end of what it wrote to stderr."""
        words = self._errors.text().strip()
        return f"; its last words: {words}" if words else ""

    def end(self) -> None:
        """End the processes of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _arguments_of(function: Callable[..., Any], access: ProgramAccess) -> dict[str, Any]:
    """Return the values of the arguments that a function names."""
    offered = asdict(access)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError as error:  # of a function in C
        raise ConfigError(f"env_config['program'] cannot be started: {error}") from error
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return offered
    needed = [one.name for one in parameters if one.default is inspect.Parameter.empty]
    unknown = [name for name in needed if name not in offered]
    if unknown:
        raise ConfigError(
            f"env_config['program'] takes {', '.join(unknown)}, but a program gets only"
            f" {', '.join(offered)}; give the others a default"
        )
    return {one.name: offered[one.name] for one in parameters if one.name in offered}


def _without_proxy(base_url: str) -> str:
    """Return the hosts without a proxy, and the endpoint's, which no proxy reaches."""
    known = [os.environ.get(name) for name in _PROXY_EXCEPTIONS]
    return ",".join(dict.fromkeys(filter(None, [*known, urlsplit(base_url).hostname])))


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word
