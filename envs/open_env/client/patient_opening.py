"""How long this process waits for a server that is away or full."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from ..messages import CAPACITY_REACHED, OpenEnvError
from .server_address import ServerAddress

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_FULL_S = 3.0  # a session that was just closed may still hold its place
_STAYS_FULL_S = 1.0  # how long a server that stayed full is not waited for again
_answering: set[str] = set()  # servers that have answered this process, and did not stay away
_full_at: dict[str, float] = {}  # when a server had been full for `_FULL_S`
_TELL_S = 5.0
_told_of: set[str] = set()  # servers that have been away for `_TELL_S`, and have not come back


def open_patiently(open_once: Callable[[], T], address: ServerAddress, *, wait_s: float) -> T:
    """Open something on a server that may be about to come back.

    An address that has never answered this process is tried once, so that a wrong one is an error
    at the start. A server that has answered before is given ``wait_s`` seconds to restart. One that
    stayed away for so long is tried once, too, until it answers again: all environments of a run
    would otherwise wait for it, one after the other.

    Args:
        open_once: Opens it; raises `OpenEnvError`.
        address: The server.
        wait_s: How long it may take to restart.

    Raises:
        OpenEnvError: It does not come back in time.
    """
    start, pause_s = time.monotonic(), _FIRST_PAUSE_S
    while True:
        try:
            opened = open_once()
        except OpenEnvError as error:
            now = time.monotonic()
            if error.code not in ("", CAPACITY_REACHED):
                raise
            if now - start + pause_s > _patience_s(error, address, since=start, wait_s=wait_s):
                if error.code == CAPACITY_REACHED:
                    _full_at[address.http] = now
                else:
                    _answering.discard(address.http)
                raise
            if error.code == "" and now - start > _TELL_S and address.http not in _told_of:
                _told_of.add(address.http)
                logger.warning("Waiting up to %g s for a server to come back. %s", wait_s, error)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            _answering.add(address.http)
            _told_of.discard(address.http)
            return opened


def _patience_s(
    error: OpenEnvError, address: ServerAddress, *, since: float, wait_s: float
) -> float:
    """Return how long to try again."""
    if error.code == CAPACITY_REACHED:
        stays_full = since < _full_at.get(address.http, -math.inf) + _STAYS_FULL_S
        return 0.0 if stays_full else _FULL_S
    return wait_s if address.http in _answering else 0.0
