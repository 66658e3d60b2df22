"""One game of each adapter, opened when a test first asks for it and shared by all of them."""

import shutil
from importlib import import_module

import pytest

NEEDS_JAVA = ("science_world", "textworld_express")
HAS_ACTION_LIST = ("minigrid", "text_arena", *NEEDS_JAVA)
ADAPTERS = ("minigrid", "text_arena", "gem", "jericho", *NEEDS_JAVA)

_CLASSES = {  # the module of the adapter, its class, and the package behind it
    "minigrid": ("MiniGridEnv", "minigrid"),
    "text_arena": ("TextArenaEnv", "textarena"),
    "gem": ("GemEnv", "gem"),
    "jericho": ("JerichoEnv", "jericho"),
    "science_world": ("ScienceWorldEnv", "scienceworld"),
    "textworld_express": ("TextWorldExpressEnv", "textworld_express"),
}


def adapter_class(name):
    """The class of an adapter; skips the test where what is behind it is missing."""
    class_name, package = _CLASSES[name]
    pytest.importorskip(package)
    if name in NEEDS_JAVA and shutil.which("java") is None:
        pytest.skip("no Java here")
    return getattr(import_module(f"rllib_gigpo.envs.adapters.{name}"), class_name)


class AdapterGames:
    """Opens each adapter once, with its default game."""

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
