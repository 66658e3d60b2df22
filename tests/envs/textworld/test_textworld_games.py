import hashlib
import json
import multiprocessing
import threading
from pathlib import Path

import pytest
import textworld
from textworld.challenges import CHALLENGES
from textworld.generator import compile_game, generate_inform7_source, make_game
from textworld.generator.chaining import QuestGenerationError

from rllib_gigpo.envs.textworld import textworld_games, textworld_generator
from rllib_gigpo.envs.textworld.textworld_games import (
    GameSpec,
    default_cache_dir,
    game_file,
    game_fingerprint,
    generate_games,
)
from rllib_gigpo.envs.textworld.textworld_generator import make_source, substitute_seeds

SMALL = GameSpec.create("coin_collector", {"level": 2})


def stock_game(spec: GameSpec, seed: int) -> tuple[textworld.Game, textworld.GameOptions]:
    """Make a game with TextWorld alone."""
    options, settings = textworld.GameOptions(), dict(spec.options)
    options.seeds = seed
    if spec.challenge == "custom":
        options.nb_rooms, options.nb_objects = settings["num_rooms"], settings["num_objects"]
        options.quest_length = settings["quest_length"]
        return make_game(options), options
    if spec.challenge == "simple":
        settings["goal"] = "detailed"
    return CHALLENGES[f"tw-{spec.challenge}"][1](settings, options), options


@pytest.mark.parametrize(
    ("challenge", "settings"),
    [
        ("coin_collector", {"level": 5}),
        ("coin_collector", {"level": 103}),
        ("treasure_hunter", {"level": 5}),
        ("simple", {}),
        ("custom", {}),
        # "prepare meal" is the command of three different actions here
        ("cooking", {"recipe": 3, "take": 2, "open": True, "cut": True}),
    ],
)
def test_quick_generation_makes_the_games_of_textworld_itself(tmp_path, challenge, settings):
    spec = GameSpec.create(challenge, settings)
    source, game_json = make_source(challenge, dict(spec.options), 1)
    game, _ = stock_game(spec, 1)
    game.save(str(tmp_path / "stock.json"))
    assert source == generate_inform7_source(game)
    assert json.loads(game_json) == json.loads((tmp_path / "stock.json").read_text())


def test_the_compiled_file_is_textworlds_byte_for_byte(tmp_path):
    game, options = stock_game(SMALL, 3)
    options.path = str(tmp_path / "stock.z8")
    stock = Path(compile_game(game, options))
    ours = game_file(SMALL, 3, cache_dir=tmp_path)
    assert ours.read_bytes() == stock.read_bytes()
    assert ours.with_suffix(".json").read_bytes() == stock.with_suffix(".json").read_bytes()


def test_a_game_does_not_depend_on_the_games_made_before():
    options = dict(GameSpec.create("simple").options)
    alone = make_source("simple", options, 5)
    make_source("coin_collector", {"level": 5}, 6)
    assert make_source("simple", options, 5) == alone


def test_textworlds_global_generator_follows_the_seed_too(monkeypatch):
    drawn = []

    def make(settings, options):
        drawn.append(textworld.g_rng.next().randint(10**6))
        raise ValueError("enough")

    monkeypatch.setitem(CHALLENGES, "tw-coin_collector", ("", make, None))
    for seed in (1, 2, 1):
        with pytest.raises(ValueError, match="enough"):
            make_source("coin_collector", {"level": 5}, seed)
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_seed_without_a_quest_gets_the_same_substitute_each_time():
    options = {"level": 10}
    first, second = list(substitute_seeds(8))[:2]
    game = make_source("treasure_hunter", options, 8)  # TextWorld finds no quest from seed 8
    assert game == make_source("treasure_hunter", options, 8)
    assert game == make_source("treasure_hunter", options, second)
    assert first == 8


def test_substitutes_of_neighbours_never_meet():
    taken = [seed for task in range(2000) for seed in substitute_seeds(task)]
    assert len(set(taken)) == len(taken)


def test_options_from_which_no_seed_makes_a_quest_are_an_error(monkeypatch):
    tried = []

    def no_quest(challenge, options, seed):
        tried.append(seed)
        raise QuestGenerationError("no quest of length 5")

    monkeypatch.setattr(textworld_generator, "_make_game", no_quest)
    with pytest.raises(ValueError, match=r"no quest of length 5\. Ask for a shorter quest or more"):
        make_source("treasure_hunter", {"level": 10}, 1)
    assert tried == list(substitute_seeds(1))


def test_generation_leaves_textworld_as_it_was():
    from textworld.generator.data import KnowledgeBase
    from textworld.generator.maker import GameMaker

    before = vars(KnowledgeBase)["load"], vars(GameMaker)["set_walkthrough"]
    with pytest.raises(ValueError, match="level"):
        make_source("coin_collector", {"level": 10_000}, 1)
    assert (vars(KnowledgeBase)["load"], vars(GameMaker)["set_walkthrough"]) == before
    assert "compile" in vars(GameMaker)


def test_train_and_test_seeds_make_different_games():
    digests = set()
    for seed in [*range(16), *range(2**20, 2**20 + 16)]:
        game = json.loads(make_source("coin_collector", {"level": 5}, seed)[1])
        del game["metadata"]
        digests.add(hashlib.sha256(json.dumps(game, sort_keys=True).encode()).digest())
    assert len(digests) == 32


def test_the_fingerprint_ignores_the_seed_and_sees_the_world(tmp_path):
    first, second = generate_games(SMALL, [1, 2], cache_dir=tmp_path)
    other_seed = json.loads(first.with_suffix(".json").read_text())
    other_seed["metadata"]["seeds"]["map"] += 1
    (tmp_path / "copy.json").write_text(json.dumps(other_seed))
    assert game_fingerprint(tmp_path / "copy.z8") == game_fingerprint(first)
    assert game_fingerprint(second) != game_fingerprint(first)


def test_a_game_in_the_cache_is_not_made_again(tmp_path, monkeypatch):
    file = game_file(SMALL, 1, cache_dir=tmp_path)
    monkeypatch.setattr(textworld_games, "make_source", None)
    assert game_file(SMALL, 1, cache_dir=tmp_path) == file


@pytest.mark.parametrize("suffix", [".z8", ".json"])
def test_a_damaged_game_in_the_cache_is_made_again(tmp_path, suffix):
    file = game_file(SMALL, 1, cache_dir=tmp_path)
    damaged = file.with_suffix(suffix)
    whole = damaged.read_bytes()
    for remains in (whole[: len(whole) // 2], b""):
        damaged.write_bytes(remains)
        assert game_file(SMALL, 1, cache_dir=tmp_path) == file
        assert damaged.read_bytes() == whole
    damaged.unlink()
    game_file(SMALL, 1, cache_dir=tmp_path)
    assert damaged.read_bytes() == whole


def test_a_failed_generation_leaves_nothing_behind(tmp_path):
    spec = GameSpec.create("coin_collector", {"level": 10_000})
    with pytest.raises(ValueError, match=r"1-300"):
        game_file(spec, 1, cache_dir=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _digest(arguments: tuple[Path, int]) -> str:
    cache_dir, seed = arguments
    return hashlib.sha256(game_file(SMALL, seed, cache_dir=cache_dir).read_bytes()).hexdigest()


def test_four_processes_make_one_game_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        digests = pool.map(_digest, [(tmp_path, 9)] * 4, chunksize=1)
    assert len(set(digests)) == 1
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["9.json", "9.z8"]


def test_threads_make_one_game_once(tmp_path, monkeypatch):
    made = []

    def counted(*arguments):
        made.append(arguments)
        return make_source(*arguments)

    monkeypatch.setattr(textworld_games, "make_source", counted)
    threads = [
        threading.Thread(target=game_file, args=(SMALL, seed), kwargs={"cache_dir": tmp_path})
        for seed in (4, 4, 4, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seed for _, _, seed in made) == [4, 5]


def test_generate_games_keeps_the_order_of_the_seeds(tmp_path):
    files = generate_games(SMALL, [7, 5, 7], num_processes=2, cache_dir=tmp_path)
    assert [file.name for file in files] == ["7.z8", "5.z8", "7.z8"]
    assert all(file.exists() for file in files)


def test_the_default_cache_follows_the_xdg_convention(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "rllib_gigpo" / "textworld"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "rllib_gigpo" / "textworld"


def test_every_spec_has_a_cache_folder_of_its_own():
    specs = [
        SMALL,
        GameSpec.create("coin_collector", {"level": 3}),
        GameSpec.create("cooking"),
        GameSpec.create("cooking", {"cut": True}),
        GameSpec.create("custom"),
    ]
    assert len({spec.folder_name for spec in specs}) == len(specs)
    assert "textworld-1" in SMALL.folder_name


def test_a_boolean_is_no_level():
    with pytest.raises(ValueError, match="expected int"):
        GameSpec.create("coin_collector", {"level": True})
