"""TextWorld games as a function of a seed: made once, cached as files, safe across processes.

``game_file(spec, seed)`` returns a playable ``.z8`` file (with its ``.json`` next to it), and makes
it first if no process has done so yet. The files are byte for byte those of ``tw-make``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..common.cache_folder import cache_folder
from .game_file_check import is_whole_game
from .textworld_generator import check_installed, compile_source, make_source, textworld_version

Option = int | bool | str

DEFAULT_OPTIONS: dict[str, dict[str, Option]] = {
    "coin_collector": {"level": 5},
    "treasure_hunter": {"level": 5},
    "simple": {"rewards": "dense", "test": False},
    "cooking": {
        "recipe": 1,
        "take": 1,
        "go": 6,
        "open": False,
        "cook": True,
        "cut": False,
        "drop": False,
        "split": "train",
        "recipe_seed": 0,
    },
    "custom": {"num_rooms": 4, "num_objects": 8, "quest_length": 4},
}
"""The challenges with their options and defaults; names and meanings are those of ``tw-make``."""

MAX_SEED = 2**32 - 1
"""The largest seed: TextWorld seeds NumPy's legacy generator, which takes 32 bits."""


@dataclass(frozen=True, slots=True)
class GameSpec:
    """A family of games; together with a seed, it identifies one game.

    Attributes:
        challenge: A key of ``DEFAULT_OPTIONS``.
        options: All options of the challenge, sorted by name.
    """

    challenge: str
    options: tuple[tuple[str, Option], ...]

    @classmethod
    def create(cls, challenge: str, options: Mapping[str, Option] | None = None) -> GameSpec:
        """Fill in the defaults and check names and types.

        Raises:
            ValueError: The challenge or an option is unknown, or a value has the wrong type.
        """
        if challenge not in DEFAULT_OPTIONS:
            raise ValueError(
                f"Unknown TextWorld challenge {challenge!r}. Use one of "
                f"{', '.join(DEFAULT_OPTIONS)}, or pass game_files=[...]."
            )
        defaults, given = DEFAULT_OPTIONS[challenge], dict(options or {})
        mistakes = [
            f"{name}={value!r} ({_expected(defaults, name)})"
            for name, value in given.items()
            if name not in defaults or type(value) is not type(defaults[name])
        ]
        if mistakes:
            raise ValueError(
                f"Wrong options for the TextWorld challenge {challenge!r}: {'; '.join(mistakes)}. "
                f"It takes {', '.join(f'{k}={v!r}' for k, v in defaults.items())}."
            )
        return cls(challenge, tuple(sorted({**defaults, **given}.items())))

    @property
    def folder_name(self) -> str:
        """A readable name for the cache folder, unique for each spec and TextWorld version."""
        options = "_".join(f"{name}-{value}" for name, value in self.options)
        return f"{self.challenge}_{options}_textworld-{textworld_version()}"


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/rllib_gigpo/textworld`` (``~/.cache/...`` if that is unset)."""
    return cache_folder("textworld")


def game_file(spec: GameSpec, seed: int, *, cache_dir: Path | str | None = None) -> Path:
    """Return the ``.z8`` file of one game, making it if it is not in the cache.

    Threads and processes may ask for the same game at once: one makes it, the others wait. A game
    with damaged files is made again.

    Args:
        spec: The family of games.
        seed: The game's seed, 0 to 2**32 - 1; the same as ``tw-make --seed``.
        cache_dir: The cache folder; None uses ``default_cache_dir()``.

    Raises:
        ValueError: The seed is out of range, or TextWorld refuses the values of the options.
        ImportError: TextWorld is not installed.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"A TextWorld seed must be from 0 to {MAX_SEED}; got {seed}.")
    folder = Path(cache_dir or default_cache_dir()).expanduser().absolute() / spec.folder_name
    path = folder / f"{seed}.z8"
    check_installed()
    if is_whole_game(path):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with _file_lock(folder / f"{seed}.lock"):
        if not is_whole_game(path):
            _make(spec, seed, path)
    return path


def generate_games(
    spec: GameSpec,
    seeds: Iterable[int],
    *,
    num_processes: int | None = None,
    cache_dir: Path | str | None = None,
) -> list[Path]:
    """Fill the cache with the games of many seeds, before training starts.

    Args:
        spec: The family of games.
        seeds: The seeds of the games; those in the cache cost nothing.
        num_processes: Number of games compiled at once; None uses the number of CPUs. The other
            tenth of the work is done in this process.
        cache_dir: The cache folder; None uses ``default_cache_dir()``.

    Returns:
        The ``.z8`` files in the order of ``seeds``.
    """
    make = partial(game_file, spec, cache_dir=cache_dir)
    with ThreadPoolExecutor(num_processes or os.cpu_count()) as pool:
        return list(pool.map(make, seeds))


def game_fingerprint(file: Path) -> str:
    """Return a digest of a game's world, texts and quests, without its seeds.

    Two seeds with one fingerprint are the same game, so use it to compare training and test games.
    Small challenges have few games (coin collector at level 1 has one room and one coin).
    """
    game = json.loads(file.with_suffix(".json").read_text())
    del game["metadata"]
    return hashlib.sha256(json.dumps(game, sort_keys=True).encode()).hexdigest()


def _expected(defaults: Mapping[str, Option], name: str) -> str:
    return f"expected {type(defaults[name]).__name__}" if name in defaults else "no such option"


def _make(spec: GameSpec, seed: int, path: Path) -> None:
    """Make one game in a temporary folder next to ``path`` and move it into place atomically."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{seed}-", dir=path.parent))
    try:
        source, game_json = make_source(spec.challenge, dict(spec.options), seed)
        (scratch / "game.json").write_text(game_json)
        compile_source(source, scratch / "game.z8", project=scratch / "project")
        os.replace(scratch / "game.json", path.with_suffix(".json"))
        os.replace(scratch / "game.z8", path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold an advisory lock, which the system releases if the process dies.

    The lock file is removed at the end. A process still waiting on the removed file and one that
    creates a new file may then both go on, which is harmless: each looks for the game again before
    making it, and two processes that make the same game write the same bytes.
    """
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
