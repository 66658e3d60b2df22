from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.games.adapter_games import AdapterGames

from rllib_gigpo.envs.textworld.textworld_env import TextWorldEnv
from rllib_gigpo.envs.textworld.textworld_games import GameSpec, game_file


@pytest.fixture(scope="session")
def game_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated games, shared by all tests of the session."""
    return tmp_path_factory.mktemp("games")


@pytest.fixture
def make_env(game_cache: Path) -> Callable[..., TextWorldEnv]:
    envs = []

    def make(challenge: str = "coin_collector", **options: Any) -> TextWorldEnv:
        envs.append(TextWorldEnv(challenge, cache_dir=game_cache, **options))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


@pytest.fixture(scope="session")
def coin_game(game_cache: Path) -> Path:
    """A TextWorld game of three rooms, a game that Jericho does not know."""
    pytest.importorskip("textworld")
    return game_file(GameSpec.create("coin_collector", {"level": 2}), 1, cache_dir=game_cache)


@pytest.fixture(scope="session")
def adapter_games(coin_game: Path) -> AdapterGames:
    """The adapters by name, each with an open game."""
    games = AdapterGames(coin_game)
    yield games
    games.close()
