"""GuideAndWalker: two roles in turn, a map that only one of them sees, and words to agree on."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.common.walled_map import MOVES, WalledMap
from rllib_gigpo.envs.two_agents.guide_and_walker_env import WORDS, GuideAndWalkerEnv

ID = "rllib_gigpo.envs:GuideAndWalker-v0"


def on_map(rows, **options):
    """Return an environment on a map of the symbols "W", "G", "#" and "."."""
    cells = {
        symbol: [(r, c) for r, row in enumerate(rows) for c, s in enumerate(row) if s == symbol]
        for symbol in "WG#"
    }
    env = GuideAndWalkerEnv(size=len(rows), layout="compact", **options)
    env.reset(seed=0)
    env._map = WalledMap(len(rows), cells["W"][0], cells["G"][0], frozenset(cells["#"]))
    env._walker = env._map.start
    return env


def test_the_guide_sees_the_map_and_the_walker_only_the_word_and_the_walls():
    env = on_map(["W.#", "..G", "..."])
    text, reward, terminated, truncated, info = env.step("east")
    assert text == "The guide says: east\nBlocked: up, left"
    assert (reward, terminated, truncated, info["role"]) == (0.0, False, False, "walker")
    assert info["admissible_actions"] == ["up", "down", "left", "right"]
    text, *_, info = env.step("right")
    assert (text, info["role"]) == (".W#\n..G\n...", "guide")
    assert info["admissible_actions"] == list(WORDS["compass"])
    *_, info = env.step("east")
    assert info["anchor"] == ".W#\n..G\n...\neast"  # the whole state, which the walker cannot see
    text, *_ = env.step("right")
    assert text == ".W#\n..G\n..."  # against the wall


def test_both_earn_one_when_the_walker_arrives():
    env = on_map(["WG", ".."])
    env.step("north")  # a wrong word can be overheard
    text, reward, terminated, truncated, info = env.step("right")
    assert (text, reward, terminated, truncated) == (".W\n..", 1.0, True, False)
    assert (info["won"], info["score"]) == (True, 1.0)
    assert "expert_action" not in info
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("north")


def test_a_word_of_the_other_role_changes_nothing_and_the_turn_stays():
    env = on_map(["W.", ".G"])
    text, reward, *_, info = env.step("right")
    assert text.startswith("That is not a valid action. The actions are: north, south, west, east.")
    assert (reward, info["role"], info["anchor"]) == (0.0, "guide", "W.\n.G")
    env.step("south")
    text, *_, info = env.step("south")
    assert "The actions are: up, down, left, right." in text
    assert info["role"] == "walker"


@pytest.mark.parametrize("words", list(WORDS))
def test_the_experts_take_a_shortest_way(words):
    for seed in range(50):
        env = GuideAndWalkerEnv(size=5, num_walls=8, words=words)
        _, info = env.reset(seed=seed)
        steps = 0
        while not info["won"]:
            *_, info = env.step(info["expert_action"])
            steps += 1
        assert steps == 2 * env._map.distances[env._map.start]


def test_the_walkers_expert_follows_the_word_wherever_it_leads():
    env = on_map(["W.", ".G"], words="colours")
    for word, move in zip(WORDS["colours"], MOVES, strict=True):
        *_, info = env.step(word)
        assert info["expert_action"] == move
        env._give_turn(said=None)


def distance(rows, start):
    """Return the fewest moves to the goal, by relaxing distances until nothing changes."""
    cells = {(r, c): s for r, row in enumerate(rows) for c, s in enumerate(row) if s != "#"}
    far = {cell: 0 if symbol == "G" else 99 for cell, symbol in cells.items()}
    for _ in cells:
        for r, c in cells:
            near = [far.get(cell, 99) for cell in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1))]
            far[r, c] = min(far[r, c], 1 + min(near))
    return far[start]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_every_map_has_a_way_and_right_distances(size, num_walls, seed):
    drawn = WalledMap.draw(np.random.default_rng(seed), size=size, num_walls=num_walls)
    rows = drawn.symbols(walker=(-1, -1))
    assert len(drawn.walls) <= num_walls
    assert drawn.start != drawn.goal
    assert not {drawn.start, drawn.goal} & drawn.walls
    assert 0 < drawn.distances[drawn.start] == distance(rows, drawn.start) < 99


def test_as_many_walls_are_drawn_as_fit():
    maps = [WalledMap.draw(np.random.default_rng(i), size=4, num_walls=3) for i in range(100)]
    assert np.mean([len(drawn.walls) for drawn in maps]) == 3.0
    assert len(set(maps)) > 95


@pytest.mark.parametrize(
    ("options", "max_steps"), [({}, 64), ({"size": 2}, 16), ({"max_steps": 5}, 5)]
)
def test_the_limit_counts_the_turns_of_both(options, max_steps):
    env = GuideAndWalkerEnv(**options)
    env.reset(seed=1)
    ends = [env.step("hm")[2:4] for _ in range(max_steps)]
    assert ends == [(False, False)] * (max_steps - 1) + [(False, True)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size.*from 2 to 8; got 1"),
        ({"size": 9}, "size.*got 9"),
        ({"num_walls": -1}, "num_walls.*at least 0; got -1"),
        ({"words": "signs"}, "words.*'compass', 'colours'; got 'signs'"),
        ({"layout": "ansi"}, "layout"),
        ({"max_steps": 0}, "max_steps"),
    ],
)
def test_mistakes_in_the_options_are_named_with_the_fix(options, message):
    with pytest.raises(ValueError, match=f"{message}.*env_config"):
        GuideAndWalkerEnv(**options)


@pytest.mark.parametrize("options", [{}, {"size": 3, "words": "colours", "layout": "compact"}])
def test_it_keeps_the_contract(options):
    report = check_env(ID, env_config=options)
    report.raise_if_broken()
    assert report.expert_wins == 1.0
    assert report.recurring_anchors > 0.5
    assert report.info_shares["role"] == 1.0
