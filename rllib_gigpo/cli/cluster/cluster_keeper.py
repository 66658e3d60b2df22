"""The processes of a command's own cluster: one process group, which ends with the command."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The shell reads until the command closes the pipe or dies, however it dies. Then Ray gets time to
# end by itself; its agents take over a minute (Ray 2.60).
_WAIT_THEN_KILL = "trap '' HUP INT TERM; read -r _; sleep 3; kill -KILL 0"


class ClusterKeeper:
    """A process group for Ray's processes, led by a shell that outlives the command by seconds.

    A signal to the command's own group, as `timeout` and terminals send it, does not reach Ray: the
    command can still save a checkpoint and then ends Ray itself.
    """

    def __init__(self) -> None:
        """Start the shell."""
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_THEN_KILL],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    @contextmanager
    def hosting(self) -> Iterator[None]:
        """Start Ray's processes in the group. Workers get their own groups from Ray."""
        from ray._private import services

        group, popen = self._shell.pid, services.ConsolePopen

        class PopenInGroup(popen):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, process_group=group, **kwargs)

        services.ConsolePopen = PopenInGroup
        try:
            yield
        finally:
            services.ConsolePopen = popen

    def end(self) -> None:
        """Kill what is left of the group."""
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.communicate()
