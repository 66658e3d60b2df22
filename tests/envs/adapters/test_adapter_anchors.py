"""Anchors of games that provide only text: they distinguish states, and they recur."""

import pytest
from support.games.adapter_games import adapter_class

from rllib_gigpo.envs.adapters.shown_state import ShownState
from rllib_gigpo.envs.adapters.text_arena.text_arena_messages import (
    Message,
    named_actions,
    shown_board,
)


def test_a_board_holds_until_the_next_and_its_counters_are_none_of_its():
    state = ShownState()
    first = state.anchor(action="", answer="", board="Grid (Move 0, 20 moves remaining)\nO .")
    assert state.anchor(action="x", answer="No such move.", board="") == first
    assert (
        state.anchor(action="a", answer="", board="Grid (Move 7, 13 moves remaining)\nO .") == first
    )
    assert state.anchor(action="a", answer="", board="Grid (Move 8, 12 moves left)\n. .") != first


def test_without_a_board_the_state_is_all_that_was_said():
    def play(*answers):
        state = ShownState()
        for action, answer in answers:
            anchor = state.anchor(action=action, answer=answer, board="")
        return anchor

    assert play(("5", "higher")) != play(("5", "lower"))
    assert play(("5", "higher"), ("7", "lower")) == play(("5", "higher"), ("7", "lower"))
    assert play(("3", "higher"), ("7", "lower")) != play(("5", "higher"), ("7", "lower"))


def test_gem_tells_a_hint_of_higher_from_one_of_lower():
    env = adapter_class("gem")("game:GuessTheNumber-v0-easy")
    seen = {}
    for seed in range(12):  # each with its own number
        env.reset(seed=seed)
        text, _, terminated, _, info = env.step("5")
        if not terminated:
            seen.setdefault("higher" if "higher" in text else "lower", set()).add(info["anchor"])
    assert set(seen) == {"higher", "lower"}
    assert all(len(anchors) == 1 for anchors in seen.values())
    assert seen["higher"] != seen["lower"]


@pytest.mark.parametrize(
    ("adapter", "game", "there", "and_back"),
    [
        ("gem", "game:TowerofHanoi-v0-easy", "A B", "B A"),
        ("text_arena", "LightsOut-v0-raw", "[1 1]", "[1 1]"),
    ],
)
def test_a_move_that_is_taken_back_leads_to_the_first_state(adapter, game, there, and_back):
    env = adapter_class(adapter)(game)
    _, start = env.reset(seed=0)
    *_, away = env.step(there)
    *_, back = env.step(and_back)
    assert away["anchor"] != start["anchor"]
    assert back["anchor"] == start["anchor"]


def test_a_game_of_gem_that_runs_out_of_turns_is_cut_off_and_not_won():
    env = adapter_class("gem")("game:GuessTheNumber-v0-easy")
    for seed in range(3):
        env.reset(seed=seed)
        terminated = truncated = False
        while not (terminated or truncated):
            _, _, terminated, truncated, info = env.step("1")
        assert (terminated and info["won"]) or (truncated and not terminated and not info["won"])


def test_textarena_keeps_the_board_where_an_answer_shows_none():
    env = adapter_class("text_arena")("Sokoban-v0-raw")
    _, start = env.reset(seed=0)
    text, _, terminated, _, after = env.step("[no such move]")
    assert "invalid move" in text
    assert not terminated
    assert after["anchor"] == start["anchor"]
    assert after["admissible_actions"] == ["[up]", "[down]", "[left]", "[right]"]


def test_of_two_boards_the_last_is_the_state():
    messages = [Message("Game Board:\n1 2", "GAME_BOARD"), Message("Now:\n1 2", "GAME_BOARD")]
    assert shown_board(messages) == "Now:\n1 2"
    assert shown_board([Message("Your hand\n4 6", "GAME_MESSAGE"), Message("no\nway")]) == (
        "Your hand\n4 6"
    )
    assert shown_board([Message("Wrong.", "GAME_MESSAGE")]) == ""


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("Available Actions: [up], [down], [up]", ["[up]", "[down]"]),
        ("available moves: [a 1], [b 2]", ["[a 1]", "[b 2]"]),
        ("Board\nAvailable Moves: up, down", ["[up]", "[down]"]),
        ("Available actions: up, down (or w, s)", []),
        ("Available Moves: ", []),
        ("Nothing is listed.", []),
    ],
)
def test_listed_moves_are_the_admissible_actions(text, actions):
    assert named_actions(text) == actions


@pytest.mark.slow
def test_scienceworld_is_the_same_at_every_reset_of_a_seed(adapter_games):
    adapter_class("science_world")
    env = adapter_games["science_world"]
    first, info = env.reset(seed=1)
    assert first.count(" cup (") == 3  # things with one name, which ScienceWorld itself shuffles
    for _ in range(3):
        assert env.reset(seed=1) == (first, info)
