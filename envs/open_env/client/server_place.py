"""Where a session finds its server: at an address, or in a process that it starts."""

from __future__ import annotations

import os
import re
import secrets
import selectors
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

from ..messages import OpenEnvError
from .server_address import ServerAddress

_SCRIPT = Path(__file__).parents[1] / "server" / "packaged_app.py"
_END_S = 8.0  # for the process to end by itself, which it does within 5 s


class ServerPlace(ABC):
    """The source of a server's address."""

    @abstractmethod
    def address(self) -> ServerAddress:
        """Return the address, once a server may be expected there.

        Raises:
            OpenEnvError: The server does not start.
        """

    @abstractmethod
    def close(self) -> None:
        """End the server if it belongs to this place; ``address`` starts it again."""


class RunningServer(ServerPlace):
    """A server that somebody else runs.

    Args:
        url: Its address.
        token_variable: The environment variable with the token that it asks for, if it does. Only
            the name stands in settings and checkpoints.

    Raises:
        ValueError: ``url`` is not an address, or the variable is not set.
    """

    def __init__(self, url: object, *, token_variable: str | None = None) -> None:
        token = "" if token_variable is None else _token_in(token_variable)
        self._address = ServerAddress.parse(url, token=token)

    def address(self) -> ServerAddress:
        """Return the given address."""
        return self._address

    def close(self) -> None:
        """Leave the server alone."""


class PackagedServer(ServerPlace):
    """A process that serves an OpenEnv package, for one environment and on this machine only.

    Args:
        package: The package, whose application is ``PACKAGE.server.app:app`` as in openenv's
            template, or "MODULE:APP".
        python: The Python that has the package; None is this process's.
        start_s: The longest wait for its start.

    Raises:
        ValueError: The package, or the Python, does not exist.
    """

    def __init__(self, package: str, *, python: str | None, start_s: float) -> None:
        self._python = python or sys.executable
        self._app = package if ":" in package else f"{package}.server.app:app"
        self._inherits_path = python is None
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        name = package.partition(":")[0].partition(".")[0]
        if python is None and (not name.isidentifier() or find_spec(name) is None):
            raise ValueError(
                f"package must be an installed OpenEnv package, such as 'echo_env'; got "
                f"{package!r}. Install it, name the Python that has it (python=...), or pass the "
                "url of a running server. Fix it in env_config."
            )
        if python is not None and not os.access(python, os.X_OK):
            raise ValueError(
                f"python must be the path of an interpreter; got {python!r}. Fix it in env_config."
            )

    def address(self) -> ServerAddress:
        """Return the address of the process, which is started if it does not run."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        return ServerAddress.parse(f"http://127.0.0.1:{self._port}")

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        token = secrets.token_hex(16)  # which the package's own output cannot hold
        self._process = subprocess.Popen(
            [self._python, str(_SCRIPT), self._app, token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **({"PYTHONPATH": paths} if self._inherits_path else {})},
        )
        port = _read_port(self._process, token, self._start_s)
        if port is None:
            status = self._process.poll()
            self.close()
            what = f"did not start in {self._start_s:g} s" if status is None else "ended at once"
            raise OpenEnvError(
                f"The server of {self._app} {what}: {self._python} {_SCRIPT.name} {self._app}. Its "
                "own message is on stderr. Install the package and openenv there, or raise "
                "timeout_s in env_config."
            )
        self._port = port


def _token_in(variable: object) -> str:
    token = os.environ.get(variable, "") if isinstance(variable, str) else ""
    if not token.isascii() or not token.isprintable() or not token.strip():
        raise ValueError(
            f"token_variable must name an environment variable that holds the server's token; "
            f"{variable!r} is not set here, or does not hold one. Set it where EnvRunners start, "
            "or fix its name in env_config."
        )
    return token.strip()


def _read_port(process: subprocess.Popen[bytes], token: str, limit_s: float) -> int | None:
    """Read the port after the token; None if the process ends or takes too long."""
    assert process.stdout is not None
    deadline, said = time.monotonic() + limit_s, b""
    announcement = re.compile(rf"{token} (\d+)\n".encode())
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(deadline - time.monotonic(), 0)):
            part = os.read(process.stdout.fileno(), 4096)
            if not part:
                process.wait()
                return None
            said += part
            if found := announcement.search(said):
                return int(found[1])
    return None
