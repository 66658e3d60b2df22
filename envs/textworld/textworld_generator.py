"""The generator of one TextWorld game: the world and its text (in Python), then the story file.

TextWorld itself compiles most games twice, because it records the walkthrough by playing a compiled
game, and parses its knowledge base again for every game. This module plays the walkthrough on the
game's logic instead, and parses the knowledge base once. The files are byte for byte the same (a
test compares them), in a tenth of the Python time.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

TEXTWORLD_LOCK = threading.RLock()
"""Held while games are made or loaded, because TextWorld's parsers are module globals."""

_NUM_SUBSTITUTES = 16
# A prime near 2**32 over the golden ratio, so that neighbouring seeds have different substitutes.
_SEED_STRIDE = 0x9E3779B1


def check_installed() -> None:
    """Raise an ImportError that says what to install if TextWorld is missing."""
    if importlib.util.find_spec("textworld") is None:
        raise ImportError(
            'TextWorld is not installed. Run pip install "rllib-gigpo[textworld]" (Linux or macOS).'
        )


@cache
def textworld_version() -> str:
    """Return the installed version; other versions make different games from the same seed."""
    check_installed()
    return importlib.metadata.version("textworld")


def make_source(challenge: str, options: Mapping[str, Any], seed: int) -> tuple[str, str]:
    """Make a game's Inform 7 source and its JSON description.

    Some seeds of some challenges make a map that has no quest of the required length, and TextWorld
    asks for another seed. The next of `substitute_seeds` is used then.

    Args:
        challenge: A key of ``textworld_games.DEFAULT_OPTIONS``.
        options: All options of that challenge.
        seed: TextWorld's seed, 0 to 2**32 - 1.

    Raises:
        ValueError: TextWorld refuses the values of the options, or no seed makes a quest.
    """
    from textworld.generator import generate_inform7_source
    from textworld.generator.chaining import QuestGenerationError

    with TEXTWORLD_LOCK, _quick_generation():
        for attempt in substitute_seeds(seed):
            try:
                game = _make_game(challenge, options, attempt)
                break
            except QuestGenerationError as error:
                reason = error
        else:
            raise ValueError(
                f"TextWorld makes no {challenge!r} game with {dict(options)} from seed {seed} or"
                f" {_NUM_SUBSTITUTES} others: {reason}. Ask for a shorter quest or more rooms."
            )
        source = generate_inform7_source(game)
        with tempfile.TemporaryDirectory() as folder:
            game.save(f"{folder}/game.json")
            return source, Path(folder, "game.json").read_text()


def substitute_seeds(seed: int) -> Iterator[int]:
    """Yield a seed and then its substitutes, which are far from it and from its neighbours'."""
    for attempt in range(_NUM_SUBSTITUTES + 1):
        yield (seed + attempt * _SEED_STRIDE) % 2**32


def compile_source(source: str, output: Path, *, project: Path) -> None:
    """Compile an Inform 7 source into a story file with the compilers in TextWorld's wheel.

    Args:
        source: Inform 7 source text.
        output: The ``.z8`` file to write.
        project: A folder to create for the compilers' own files.

    Raises:
        RuntimeError: A compiler fails; the message contains its output.
    """
    from textworld.generator.inform7.world2inform7 import I7_DEFAULT_PATH

    inform = Path(I7_DEFAULT_PATH, "share", "inform7")
    for name in ("Source", "Build"):
        (project / name).mkdir(parents=True)
    (project / "Source" / "story.ni").write_text(source)
    (project / "uuid.txt").touch()
    # Without -external, Inform writes a census of extensions into the user's home directory.
    ni_options: list[str | Path] = [
        "-noindex",
        "-noprogress",
        "-external",
        project / "external",
        "--format=.z8",
    ]
    internal = inform / "Internal"
    _run([inform / "Compilers" / "ni", "--internal", internal, *ni_options, "--project", project])
    # E2: error format; w: no warnings; S: run-time checks; v8: story file version; F0: in memory.
    _run([inform / "Compilers" / "inform6", "-E2wSv8F0", project / "Build" / "auto.inf", output])


def _run(command: list[str | Path]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        raise RuntimeError(
            f"TextWorld's compiler {Path(command[0]).name} failed with status {result.returncode}. "
            f"A game with fewer rooms or objects may compile. Its output: "
            f"{result.stdout[-2000:]}{result.stderr[-2000:]}"
        )


def _make_game(challenge: str, options: Mapping[str, Any], seed: int) -> Any:
    import textworld

    textworld.g_rng.set_seed(seed)  # the global generator draws what the four seeds leave open
    game_options = textworld.GameOptions()
    game_options.seeds = int(seed)
    return {"custom": _make_custom}.get(challenge, _make_challenge)(
        challenge, options, game_options
    )


def _make_challenge(challenge: str, options: Mapping[str, Any], game_options: Any) -> Any:
    from textworld.challenges import CHALLENGES

    settings = dict(options)
    if challenge == "simple":
        settings["goal"] = "detailed"  # the environment shortens it
    return CHALLENGES[f"tw-{challenge}"][1](settings, game_options)


def _make_custom(challenge: str, options: Mapping[str, Any], game_options: Any) -> Any:
    from textworld.generator import make_game
    from textworld.generator.data import LOGIC_DATA_PATH, TEXT_GRAMMARS_PATH, KnowledgeBase

    # Set explicitly, because TextWorld prefers a folder textworld_data in the working directory.
    game_options.kb = KnowledgeBase.load(
        logic_path=LOGIC_DATA_PATH, grammar_path=TEXT_GRAMMARS_PATH
    )
    game_options.nb_rooms = options["num_rooms"]
    game_options.nb_objects = options["num_objects"]
    game_options.quest_length = options["quest_length"]
    return make_game(game_options)


@contextmanager
def _quick_generation() -> Iterator[None]:
    """Replace two slow methods of TextWorld 1.7 for a while; hold ``TEXTWORLD_LOCK`` meanwhile."""
    from textworld.generator.data import KnowledgeBase
    from textworld.generator.maker import GameMaker

    with (
        _replaced(KnowledgeBase, "load", _cached_knowledge_base_loader()),
        _replaced(GameMaker, "set_walkthrough", _quick_walkthrough(GameMaker.set_walkthrough)),
    ):
        yield


@contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


@cache
def _cached_knowledge_base_loader() -> Callable[..., Any]:
    """Return a ``KnowledgeBase.load`` that parses each knowledge base once per process."""
    from textworld.generator.data import KnowledgeBase

    return cache(KnowledgeBase.load)


class _UnclearCommandError(Exception):
    """A command that the game's logic alone cannot interpret."""


def _quick_walkthrough(
    play: Callable[[Any, list[str]], None],
) -> Callable[[Any, list[str]], None]:
    """Return a ``GameMaker.set_walkthrough`` that plays on the game's logic if that is enough.

    The logic knows each action by one command, and two actions may share it ("prepare meal"); then
    the compiled game's parser is needed. ``play`` writes its result only at the end, so it can be
    called again.
    """
    import textworld.envs

    class StrictLogic(textworld.envs.TextWorldEnv):
        def step(self, command: str) -> Any:
            if self.state["_valid_commands"].count(command) != 1:
                raise _UnclearCommandError(command)
            return super().step(command)

    def set_walkthrough(maker: Any, commands: list[str]) -> None:
        try:
            with (
                _replaced(textworld.envs, "TextWorldEnv", StrictLogic),
                _replaced(type(maker), "compile", _save_logic_only),
            ):
                play(maker, commands)
        except _UnclearCommandError:
            play(maker, commands)

    return set_walkthrough


def _save_logic_only(maker: Any, path: str) -> str:
    """Replace ``GameMaker.compile``: save a .json file, which is playable too, without text."""
    json_path = str(Path(path).with_suffix(".json"))
    maker._working_game = maker.build()
    maker._working_game.save(json_path)
    return json_path
