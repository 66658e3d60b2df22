"""Serves an OpenEnv package on this machine for as long as the parent process wants it.

It runs as a script, ``python packaged_app.py MODULE:APP``, in the package's own Python, which may
lack rllib-gigpo; uvicorn comes with openenv. It prints ``listening PORT`` and ends with its stdin.
"""

import os
import socket
import sys
import threading


def main(app: str) -> None:
    """Serve ``app``, such as "echo_env.server.app:app", on a free port of the loopback address."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False)
    config.load()  # imports the package; a failure is told on stderr
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(f"listening {listener.getsockname()[1]}", flush=True)
    os.dup2(2, 1)  # nobody reads further output
    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.Server(config).run([listener])


def _end_with_parent() -> None:
    """Wait for the end of stdin: the parent closed it, or died in any way."""
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be top-level ones
    main(sys.argv[1])
