"""Hides what Ray 2.60 prints at every start and nobody can act on."""

from __future__ import annotations

import logging
import os

_SHOWN = "RLLIB_GIGPO_RAY_ADVICE"  # set for the processes that Ray starts

# Logger -> how its sentences begin. This package fixes RLlib's API stack, measures its own phases,
# and needs no widgets; a cluster of one process has Ray's token.
ADVICE = {
    "ray._private.authentication.authentication_token_setup": "Token authentication is enabled",
    "ray._common.deprecation": "DeprecationWarning: `RLModule(config=",
    "ray.tune.trainable.trainable": "Trainable.setup took",
    "ray.tune.utils.util": "Install gputil",
    "ray.widgets.util": "Missing packages",
}


class _WithoutAdvice(logging.Filter):
    def __init__(self, beginning: str) -> None:
        super().__init__()
        self._beginning = beginning

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(self._beginning)


_FILTERS = {name: _WithoutAdvice(beginning) for name, beginning in ADVICE.items()}


def hide_advice() -> None:
    """Hide the sentences in this process; other messages of the same loggers stay."""
    if _SHOWN in os.environ:
        return
    for name, one in _FILTERS.items():
        logging.getLogger(name).addFilter(one)  # which adds it once


def show_advice() -> None:
    """Show them again, here and in the processes that Ray starts from here: for ``-v``."""
    os.environ[_SHOWN] = "1"
    for name, one in _FILTERS.items():
        logging.getLogger(name).removeFilter(one)
