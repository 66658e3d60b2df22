"""`rllib view` as its own process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served_pages(folder: Path) -> Iterator[str]:
    """Serve a folder of runs on a free port, and give the page's address."""
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "view", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            told = server.stdout.readline().split()
            assert told[:1] == ["page"], f"the server ended with status {server.wait(60)}"
            yield told[-1]
        finally:
            server.terminate()
