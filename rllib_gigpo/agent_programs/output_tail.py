"""The last of what a process has written, however much it writes."""

from __future__ import annotations

from threading import Thread
from typing import IO

_CHUNK = 65_536  # bytes


class OutputTail:
    """Reader of a pipe on a thread that keeps its last bytes."""

    def __init__(self, pipe: IO[bytes], num_bytes: int) -> None:
        """Start to read.

        Args:
            pipe: The end of the pipe to read; closed at its end.
            num_bytes: How much to keep.
        """
        self._pipe, self._num_bytes = pipe, num_bytes
        self._kept = b""
        self._thread = Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def text(self, *, wait_s: float = 0.0) -> str:
        """Return what is kept.

        Args:
            wait_s: Longest wait for the end of the pipe.
        """
        self._thread.join(wait_s)
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        with self._pipe as pipe:
            while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
                self._kept = (self._kept + chunk)[-self._num_bytes :]
