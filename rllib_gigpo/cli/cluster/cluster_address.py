"""Checks that a cluster answers at an address before Ray tries to join it.

Ray 2.60 waits 40 s and longer for a cluster that is gone, and ignores Ctrl-C meanwhile.
"""

import socket
import subprocess
import sys
import time

from rllib_gigpo.errors import ConfigError

_LIMIT_S = 10.0
_CLIENT = "ray://"
# In its own process, because the call cannot be interrupted.
_ASK = "import sys, ray._raylet; ray._raylet.GcsClient(address=sys.argv[1])"


def check_cluster(address: str) -> str:
    """Return the address of a cluster that answers; "auto" finds the one of this machine.

    Raises:
        ConfigError: No cluster answers within 10 seconds.
    """
    resolved = _resolve(address)
    deadline = time.monotonic() + _LIMIT_S
    try:
        socket.create_connection(_host_and_port(resolved), timeout=_LIMIT_S).close()
    except OSError as error:
        raise _unreachable(resolved, error.strerror or str(error)) from error
    if not resolved.startswith(_CLIENT):
        _ask(resolved, deadline - time.monotonic())
    return resolved


def is_listening(address: str) -> bool:
    """Return whether something listens at the address of a cluster."""
    try:
        socket.create_connection(_host_and_port(address), timeout=1.0).close()
    except OSError:
        return False
    return True


def _resolve(address: str) -> str:
    if address != "auto":
        return address
    from ray._private.services import get_ray_address_from_environment

    try:
        return str(get_ray_address_from_environment("auto", None))
    except ConnectionError as error:
        raise ConfigError(
            "--ray-address auto found no cluster on this machine; start one with `ray start"
            " --head`, or leave the option out to start Ray for this command"
        ) from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"--ray-address {address} is not an address; give HOST:PORT, ray://HOST:PORT or auto"
        )
    return host.strip("[]"), int(port)


def _ask(address: str, limit_s: float) -> None:
    """Let a process ask the cluster for its id."""
    try:
        subprocess.run(
            [sys.executable, "-c", _ASK, address],
            check=True,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer within {_LIMIT_S:g} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        raise _unreachable(address, lines[-1]) from error


def _unreachable(address: str, reason: str) -> ConfigError:
    return ConfigError(
        f"no Ray cluster answers at --ray-address {address}: {reason}. Check the address, or leave"
        " the option out to start Ray for this command"
    )
