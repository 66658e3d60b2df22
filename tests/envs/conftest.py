from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rllib_gigpo.envs.textworld import TextWorldEnv


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
