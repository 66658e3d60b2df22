"""ALFWorld's engine: same transcripts as the stock engine, also in threads, and no side effects."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.backends import needs_alfworld
from support.games.stock_alfworld import random_walk

from rllib_gigpo.envs.alfworld import libraries
from rllib_gigpo.envs.alfworld.backend import entity_names
from rllib_gigpo.envs.alfworld.engine import Engine
from rllib_gigpo.envs.alfworld.game import load_game
from rllib_gigpo.envs.alfworld.game_files import cached_game
from rllib_gigpo.envs.alfworld.texts.expressions import Entity, compile_expression
from rllib_gigpo.envs.alfworld.world import Condition, World

pytestmark = needs_alfworld

STOCK = Path(__file__).parents[2] / "support" / "games" / "stock_alfworld.py"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "alfworld"


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.close()


def stock_walks(files, num_steps):
    command = [sys.executable, str(STOCK), str(num_steps), *map(str, files)]
    environ = {**os.environ, "ALFWORLD_DATA": str(Path(files[0]).parent)}  # alfworld creates it
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return json.loads(result.stdout.splitlines()[-1])


def walk(engine, file, num_steps):
    """Repeat the stock engine's random walk with ours."""

    def seen(answer):
        return [answer, engine.admissible_commands, engine.has_won]

    return random_walk(
        lambda: seen(engine.start(load_game(file))),
        lambda command: seen(engine.execute(command)),
        num_steps,
    )


def shared_games():
    files = sorted(SHARED.glob("train/*/*/game.tw-pddl"))
    if not files:
        pytest.skip(f"{SHARED} is absent")
    assert len(files) == 12
    return files


def test_a_generated_game_plays_as_on_the_stock_engine(engine, game_cache):
    file = cached_game("pick_clean_then_place_in_recep", 1, split="train", cache_dir=game_cache)
    assert [walk(engine, file, 12)] == stock_walks([file], 12)


@pytest.mark.slow
def test_the_shared_games_play_as_on_the_stock_engine(engine):
    files = shared_games()
    assert [walk(engine, file, 30) for file in files] == stock_walks(files, 30)


def test_the_shared_games_play_as_they_did_on_the_stock_engine(engine):
    walks = [walk(engine, file, 30) for file in shared_games()]
    digest = hashlib.sha256(json.dumps(walks).encode()).hexdigest()
    # From stock_walks(files, 30): alfworld 0.4.2, textworld 1.7.0, fast_downward_textworld 20.6.4.
    assert digest == "eec33081aeb1066d503cd6ac96dbddeed91f9d5c6a9efafa4dc0e874a990f1fc"


def test_a_command_that_is_not_admissible_changes_nothing(engine, game_cache):
    file = cached_game("pick_and_place_simple", 0, split="train", cache_dir=game_cache)
    engine.start(load_game(file))
    before = engine.admissible_commands
    assert engine.execute("open the door to nowhere") == "Nothing happens."
    assert engine.admissible_commands == before


def test_engines_play_in_threads_as_they_play_alone(engine, game_cache):
    kinds = ("pick_and_place_simple", "look_at_obj_in_light")
    files = [cached_game(kind, 0, split="train", cache_dir=game_cache) for kind in kinds]
    alone = [walk(engine, file, 20) for file in files]
    load_game.__globals__["_load"].cache_clear()  # so that the threads translate games, too
    together = {}

    def run(number):
        one = Engine()
        together[number] = walk(one, files[number % 2], 20)
        one.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {number: alone[number % 2] for number in range(6)}


def test_translating_a_game_leaves_the_process_as_it_was(engine, game_cache, monkeypatch):
    file = cached_game("pick_and_place_simple", 0, split="train", cache_dir=game_cache)
    load_game.__globals__["_load"].cache_clear()
    monkeypatch.setattr(sys, "argv", ["train", "--lr", "1"])
    before = (sys.argv, sys.stdout, dict(os.environ))
    engine.start(load_game(file))
    assert (sys.argv, sys.stdout, dict(os.environ)) == before
    assert sys.argv is before[0]


def test_the_stock_engine_is_left_as_it_was(engine, game_cache):
    from textworld.envs.pddl import logic, textgen

    before = (dict(vars(textgen)), dict(vars(logic)))
    file = cached_game("pick_and_place_simple", 0, split="train", cache_dir=game_cache)
    engine.start(load_game(file))
    assert (dict(vars(textgen)), dict(vars(logic))) == before


def test_a_library_goes_from_one_engine_to_the_next():
    first = Engine()
    first.close()
    count = len(libraries._idle)
    second = Engine()
    assert len(libraries._idle) == count - 1
    del second  # without close()
    assert len(libraries._idle) == count


def test_a_game_is_read_once_and_again_when_its_file_changes(game_cache, tmp_path):
    source = cached_game("pick_and_place_simple", 0, split="train", cache_dir=game_cache)
    data = json.loads(source.read_text())
    file = tmp_path / "game.tw-pddl"
    file.write_text(json.dumps(data))
    game = load_game(file)
    assert load_game(file) is game
    task = game.grammar.task
    file.write_text(json.dumps(data).replace(task, "put two chairs on the roof."))
    assert load_game(file).grammar.task == "put two chairs on the roof."


def with_fact(data, fact):
    """Return the game with one more initial fact."""
    problem = data["pddl_problem"].replace("(:init", f"(:init {fact}", 1)
    return json.dumps({**data, "pddl_problem": problem})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: "{", "Expecting"),
        (lambda data: "[]", "lacks the text of pddl_domain, grammar, pddl_problem"),
        (lambda data: json.dumps({**data, "grammar": 5}), "lacks the text of grammar"),
        (lambda data: json.dumps({**data, "grammar": "grammar"}), "no sentence"),
        (
            lambda data: json.dumps({**data, "grammar": data["grammar"][:-900]}),
            "grammar cannot be read",
        ),
        (
            lambda data: json.dumps(
                {**data, "grammar": data["grammar"].replace("l:location) & r", "l:location & r")}
            ),
            "grammar cannot be read: Failed",
        ),
        (
            lambda data: json.dumps(
                {**data, "grammar": data["grammar"].replace("#look.feedback#", "#see#")}
            ),
            "lacks the rules.*see",
        ),
        (
            lambda data: json.dumps(
                {**data, "grammar": data["grammar"].replace("r.name or r.id", "print(r)")}
            ),
            r"print\(r\).*not supported",
        ),
        (lambda data: json.dumps({**data, "pddl_problem": "(define"}), "PDDL cannot be read"),
        (
            lambda data: json.dumps({**data, "pddl_problem": data["pddl_problem"][:4000]}),
            "PDDL cannot be read",
        ),
        (lambda data: json.dumps({**data, "pddl_domain": ""}), "PDDL cannot be read"),
        (
            lambda data: json.dumps(
                {**data, "grammar": data["grammar"].replace("action HeatObject", "action Warm")}
            ),
            "does not define heatobject",
        ),
        (lambda data: "[" * 100_000, "recursion"),
        (
            lambda data: with_fact(data, "(objectType ghost_bar_1 MugType)"),
            "objecttype names 'ghost_bar_1', which is not an object of it",
        ),
        (
            lambda data: with_fact(data, "(holds agent1 agent1 agent1)"),
            r"holds\(agent1, agent1, agent1\) is not a fact of its domain",
        ),
        (
            lambda data: with_fact(data, "(haunted agent1)"),
            r"haunted\(agent1\) is not a fact of its domain",
        ),
        (lambda data: json.dumps({**data, "walkthrough": 5}), "walkthrough is not a list"),
        (lambda data: json.dumps({**data, "walkthrough": "go"}), "walkthrough is not a list"),
        (lambda data: json.dumps({**data, "walkthrough": [["go"]]}), "walkthrough is not a list"),
    ],
)
def test_a_spoilt_game_file_is_named_with_the_reason_and_the_fix(
    spoil, message, game_cache, tmp_path
):
    source = cached_game("pick_and_place_simple", 0, split="train", cache_dir=game_cache)
    file = tmp_path / "game.tw-pddl"
    file.write_text(spoil(json.loads(source.read_text())))
    with pytest.raises(ValueError, match=message) as caught:
        load_game(file)
    assert str(file) in str(caught.value)
    assert "make-alfworld-games" in str(caught.value)


def test_a_missing_game_file_is_a_clear_error(tmp_path):
    message = r"nowhere\.tw-pddl is not an ALFWorld game: .*No such file"
    with pytest.raises(ValueError, match=message):
        load_game(tmp_path / "nowhere.tw-pddl")


def test_things_of_a_kind_are_numbered_downwards_in_the_order_of_their_ids():
    ids = ["mug_bar_b", "mug_bar_a", "sink_bar_x_bar_sinkbasin", "mug_bar_c", "agent1"]
    assert entity_names(ids) == {
        "mug_bar_a": "mug 3",
        "mug_bar_b": "mug 2",
        "mug_bar_c": "mug 1",
        "sink_bar_x_bar_sinkbasin": "sinkbasin 1",
        "agent1": "agent1 ",
    }


def test_expressions_are_names_attributes_strings_plus_and_or():
    bound = {"o": Entity("mug_bar_a", "object", "mug 1"), "n": Entity("nameless", "object", "")}
    values = {
        "o": "mug 1",
        "o.name": "mug 1",
        "o.indefinite + ' ' + o.name": "a mug 1",
        "n.name or n.id": "nameless",
        "o.name or o.id": "mug 1",
    }
    for source, value in values.items():
        assert str(compile_expression(source)(bound)) == value
    for source in ("__import__('os')", "o.__class__", "o[0]", "1", "o -", "(x for x in o)"):
        with pytest.raises(ValueError, match="expression"):
            compile_expression(source)


def test_queries_bind_different_placeholders_to_different_things_in_order():
    types = {"a": "object", "b": "object", "shelf": "receptacle", "desk": "receptacle"}
    world = World({"in": {("b", "shelf"), ("a", "shelf"), ("a", "desk")}}, types)
    inside = Condition("in", (("o", "object"), ("r", "receptacle")))
    other = Condition("in", (("p", "object"), ("r", "receptacle")))
    o, p, r = ("o", "object"), ("p", "object"), ("r", "receptacle")
    assert list(world.matches([inside], {r: "shelf"})) == [
        {r: "shelf", o: "a"},
        {r: "shelf", o: "b"},
    ]
    assert list(world.matches([inside, other], {o: "b"})) == [{o: "b", r: "shelf", p: "a"}]
    assert list(world.matches([inside], {o: "b", r: "desk"})) == []
    assert list(world.matches([Condition("in", (("q", "agent"), r))], {})) == []
    world.remove("in", ("b", "shelf"))
    world.add("in", ("b", "desk"))
    assert [found[r] for found in world.matches([inside], {o: "b"})] == ["desk"]
