"""Ray's token without a home folder.

For a new cluster, Ray 2.60 writes a token to ``~/.ray/auth_token``, and fails if it cannot.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TOKEN = "RAY_AUTH_TOKEN"


@contextmanager
def usable_token() -> Iterator[None]:
    """If Ray cannot keep its token in the home folder, set one for this cluster alone."""
    given = (_TOKEN, "RAY_AUTH_TOKEN_PATH")
    if any(name in os.environ for name in given) or _can_keep_token():
        yield
        return
    os.environ[_TOKEN] = secrets.token_hex(32)
    try:
        yield
    finally:
        del os.environ[_TOKEN]


def _can_keep_token() -> bool:
    try:
        folder = Path.home() / ".ray"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return False
    file = folder / "auth_token"
    if file.exists():
        return os.access(file, os.R_OK)
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(nearest, os.W_OK | os.X_OK)
