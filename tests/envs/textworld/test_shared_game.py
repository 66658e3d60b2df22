"""A game that several environments share plays exactly as TextWorld's own, one interpreter each."""

import gc
import random
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import textworld

from rllib_gigpo.envs.textworld.interpreter_text import clean_feedback, tidy
from rllib_gigpo.envs.textworld.shared_game import SharedGame, open_game
from rllib_gigpo.envs.textworld.textworld_games import GameSpec, game_file

pytestmark = pytest.mark.filterwarnings("ignore:Game '.*' is not fully supported")

CHALLENGES = {
    "coin_collector": {"level": 5},
    "treasure_hunter": {"level": 5},
    "simple": {},
    "cooking": {"cook": True, "cut": True, "open": True, "go": 6},
    "custom": {},
}
ODD_COMMANDS = ["look", "xyzzy", "wait", "go nowhere", "examine me", "take all", "inventory", ""]


@pytest.fixture
def game_path(game_cache):
    """A function from a challenge and a seed to the game's file."""

    def path(challenge, seed=0):
        return game_file(
            GameSpec.create(challenge, CHALLENGES[challenge]), seed, cache_dir=game_cache
        )

    return path


def stock_game(path):
    infos = textworld.EnvInfos(
        feedback=True,
        description=True,
        inventory=True,
        admissible_commands=True,
        policy_commands=True,
        won=True,
        lost=True,
        score=True,
    )
    return textworld.start(str(path), infos)


def shown(state):
    """What a state of TextWorld's, or a position of ours, shows."""
    return (
        clean_feedback(state.feedback),
        tidy(state.description),
        tidy(state.inventory),
        list(state.admissible_commands),
        list(state.policy_commands),
        (state.score, state.won, state.lost),
    )


def random_play(start, after, rng, *, num_steps=25):
    """Play admissible and odd commands; return the commands and what each state shows."""
    state, commands, states = start, [], []
    while not (state.won or state.lost) and len(commands) < num_steps:
        known = list(state.admissible_commands)
        commands.append(rng.choice(known if rng.random() < 0.8 else ODD_COMMANDS))
        state = after(state, commands[-1])
        states.append(shown(state))
    return commands, states


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_a_shared_game_shows_what_textworld_shows(game_path, challenge):
    path = game_path(challenge)
    stock, game = stock_game(path), SharedGame(path, plans=True)
    for seed in range(3):
        start = stock.reset()
        assert shown(game.start)[1:] == shown(start)[1:]  # the first feedback is a banner
        expected = random_play(
            start, lambda _, command: stock.step(command)[0], random.Random(seed)
        )
        assert random_play(game.start, game.after, random.Random(seed)) == expected


def test_plays_of_one_game_do_not_disturb_each_other(game_path):
    game = SharedGame(game_path("cooking"), plans=True)
    plays = [random_play(game.start, game.after, random.Random(seed)) for seed in range(4)]
    positions = [game.start] * len(plays)
    for step in range(25):
        for index, (commands, states) in enumerate(plays):
            if step < len(commands):
                positions[index] = game.after(positions[index], commands[step])
                assert shown(positions[index]) == states[step]


def test_threads_play_one_game_as_one_thread_does(game_path):
    path = game_path("custom")

    def play(game, seed):
        return random_play(game.start, game.after, random.Random(seed))

    alone, together = SharedGame(path, plans=False), SharedGame(path, plans=False)
    expected = [play(alone, seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda seed: play(together, seed), range(16))) == expected


def test_the_same_command_from_the_same_position_is_executed_once(game_path, monkeypatch):
    game = SharedGame(game_path("coin_collector"), plans=False)
    reached = game.after(game.start, "look")
    monkeypatch.setattr(game, "_play", None)
    assert game.after(game.start, "look") is reached


def test_a_game_keeps_a_bounded_number_of_positions(game_path, monkeypatch):
    monkeypatch.setattr("rllib_gigpo.envs.textworld.shared_game._MAX_POSITIONS", 2)
    game = SharedGame(game_path("coin_collector"), plans=False)
    first = game.after(game.start, "look")
    for command in ("wait", "inventory"):
        game.after(game.start, command)
    assert len(game._known) == 2
    assert shown(game.after(game.start, "look")) == shown(first)


def test_a_game_is_loaded_once_as_long_as_somebody_plays_it(game_path):
    path = game_path("coin_collector")
    game = open_game(path, plans=False)
    assert open_game(path, plans=False) is game
    assert open_game(path, plans=True) is not game  # it has plans, which cost time
    closed = weakref.ref(game)
    del game
    gc.collect()
    assert closed() is None
