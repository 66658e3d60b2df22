import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.frozen_lake.frozen_lake_env import ACTIONS, FrozenLakeTextEnv
from rllib_gigpo.envs.frozen_lake.lake_maps import draw_lake
from rllib_gigpo.envs.frozen_lake.lake_planner import DISCOUNT, best_actions

ID = "rllib_gigpo.envs:FrozenLake-v0"

pytestmark = pytest.mark.filterwarnings("ignore:.*FrozenLake-v0 is out of date")


def on_lake(rows, *, cell, **options):
    """Return an environment on this lake, with the player in this cell."""
    env = FrozenLakeTextEnv(len(rows), is_slippery=False, layout="compact", **options)
    env.reset(seed=0)
    env._rows = tuple(rows)
    env._lake = FrozenLakeEnv(desc=list(rows), is_slippery=False)
    env._lake.reset(seed=0)
    env._lake.s = cell
    return env


def distance_to_goal(rows):
    """Return the fewest steps from S to G, by relaxing distances until nothing changes."""
    size = len(rows)
    distances = {
        (r, c): 0 if rows[r][c] == "G" else 10**6 for r in range(size) for c in range(size)
    }
    for _ in range(size * size):
        for (r, c), distance in distances.items():
            if rows[r][c] == "H":
                continue
            near = [
                distances.get((r + a, c + b), 10**6) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))
            ]
            distances[r, c] = min(distance, 1 + min(near))
    return next(distances[r, c] for r in range(size) for c in range(size) if rows[r][c] == "S")


def test_the_grid_shows_the_player_on_ice_in_a_hole_and_at_the_goal():
    rows = ["SFG", "FHF", "FFF"]
    env = on_lake(rows, cell=1)
    assert env.step("up")[0] == "SPG\nFHF\nFFF"
    assert env.step("left")[0] == "PFG\nFHF\nFFF"
    env.step("right")
    text, reward, terminated, truncated, info = env.step("down")
    assert (text, reward, terminated, truncated) == ("SFG\nFXF\nFFF", 0.0, True, False)
    assert not info["won"]
    text, reward, terminated, truncated, info = on_lake(rows, cell=1).step("right")
    assert (text, reward, terminated, truncated) == ("SF√\nFHF\nFFF", 1.0, True, False)
    assert (info["won"], info["score"]) == (True, 1.0)
    assert "expert_action" not in info


def test_rolls_symbols_hide_the_start():
    env = on_lake(["SFG", "FHF", "FFF"], cell=6, rules="roll")
    assert env.step("right")[0] == "__G\n_O_\n_P_"


def test_the_spaced_layout_separates_cells_by_tabs():
    env = FrozenLakeTextEnv(size=3, p=1.0)
    assert env.reset(seed=0)[0] == " P \t F \t F \n F \t F \t F \n F \t F \t G "


@pytest.mark.parametrize("is_slippery", [False, True])
def test_steps_are_those_of_gymnasiums_own_environment(is_slippery):
    rng = np.random.default_rng(0)
    for seed in range(20):
        env = FrozenLakeTextEnv(size=5, is_slippery=is_slippery, layout="compact")
        env.reset(seed=seed)
        original = copy.deepcopy(env._lake)
        over = False
        while not over:
            action = int(rng.integers(4))
            cell, reward, ended, _, _ = original.step(action)
            text, own_reward, terminated, truncated, _ = env.step(ACTIONS[action])
            player = next(i for i, s in enumerate(text.replace("\n", "")) if s in "PX√")
            assert (player, own_reward, terminated) == (cell, reward, ended)
            over = terminated or truncated


def test_texts_hold_no_terminal_codes():
    env = FrozenLakeTextEnv()
    texts = [env.reset(seed=0)[0], *(env.step(action)[0] for action in ("left", "up"))]
    assert not any("\x1b" in text for text in texts)


@pytest.mark.parametrize("random_ends", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.8])
def test_every_lake_has_a_way_within_the_limit(p, random_ends):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = draw_lake(rng, size=5, p=p, random_ends=random_ends, max_distance=8)
        assert [len(row) for row in rows] == [5] * 5
        assert "".join(rows).count("S") == "".join(rows).count("G") == 1
        assert 1 <= distance_to_goal(rows) <= 8
        if not random_ends:
            assert rows[0][0] == "S"
            assert rows[-1][-1] == "G"


def test_the_share_of_ice_follows_p_where_most_lakes_have_a_way():
    rng = np.random.default_rng(0)
    lakes = [
        "".join(draw_lake(rng, size=8, p=0.9, random_ends=True, max_distance=100))
        for _ in range(100)
    ]
    share = sum(lake.count("F") for lake in lakes) / (100 * 62)
    assert 0.88 < share < 0.93


def test_rolls_ends_lie_anywhere():
    env = FrozenLakeTextEnv(rules="roll", layout="compact")
    texts = [env.reset(seed=seed)[0] for seed in range(300)]
    assert {text.replace("\n", "").index("P") for text in texts} == set(range(16))
    assert {text.replace("\n", "").index("G") for text in texts} == set(range(16))


@pytest.mark.parametrize("rules", ["gymnasium", "roll"])
def test_on_firm_ice_the_expert_takes_a_shortest_way(rules):
    env = FrozenLakeTextEnv(size=6, is_slippery=False, rules=rules)
    for seed in range(40):
        _, info = env.reset(seed=seed)
        shortest, num_steps = distance_to_goal(env._rows), 0
        while not info["won"]:
            *_, info = env.step(info["expert_action"])
            num_steps += 1
        assert num_steps == shortest


def test_on_slippery_ice_no_other_action_is_better_than_the_experts():
    for seed in range(10):
        env = FrozenLakeTextEnv(size=4)
        env.reset(seed=seed)
        policy = best_actions(env._rows, is_slippery=True)
        model = env._lake.P
        # The value of the policy solves a linear system, so no iteration is needed.
        matrix, rewards = np.eye(16), np.zeros(16)
        for cell in range(16):
            for probability, following, reward, ended in model[cell][policy[cell] or 0]:
                rewards[cell] += probability * reward
                matrix[cell, following] -= 0 if ended else DISCOUNT * probability
        values = np.linalg.solve(matrix, rewards)
        for cell in range(16):
            for action in range(4):
                value = sum(
                    probability * (reward + (0 if ended else DISCOUNT * values[following]))
                    for probability, following, reward, ended in model[cell][action]
                )
                assert value <= values[cell] + 1e-8


def test_the_slippery_expert_wins_most_episodes_where_a_random_player_loses():
    env, rng = FrozenLakeTextEnv(), np.random.default_rng(0)

    def win_share(choose):
        wins = 0
        for seed in range(100):
            _, info = env.reset(seed=seed)
            over = False
            while not over:
                _, _, terminated, truncated, info = env.step(choose(info))
                over = terminated or truncated
            wins += info["won"]
        return wins / 100

    assert win_share(lambda info: info["expert_action"]) > 0.6
    assert win_share(lambda info: str(rng.choice(ACTIONS))) < 0.25


def test_slips_follow_from_the_seed_alone():
    def walk():
        env = FrozenLakeTextEnv(size=8, p=1.0)
        return [env.reset(seed=4)[0], *(env.step("down")[0] for _ in range(10))]

    assert walk() == walk()
    assert len(set(walk())) > 2


def test_seeds_draw_different_lakes():
    env = FrozenLakeTextEnv(size=6)
    assert len({env.reset(seed=seed)[0] for seed in range(100)}) > 95


@pytest.mark.parametrize(
    ("options", "max_steps"),
    [
        ({}, 100),
        ({"size": 8}, 200),
        ({"rules": "roll"}, 20),
        ({"rules": "roll", "max_steps": 9}, 9),
    ],
)
def test_the_rules_set_the_step_limit(options, max_steps):
    env = FrozenLakeTextEnv(p=1.0, is_slippery=False, **options)
    env.reset(seed=0)
    ends = [env.step("stay")[2:4] for _ in range(max_steps)]
    assert ends == [(False, False)] * (max_steps - 1) + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("left")


def test_other_words_change_nothing_not_even_later_slips():
    plain, chatty = FrozenLakeTextEnv(size=8, p=1.0), FrozenLakeTextEnv(size=8, p=1.0)
    start, first = plain.reset(seed=1)
    chatty.reset(seed=1)
    text, reward, terminated, truncated, info = chatty.step("jump!")
    assert text == f"That is not a valid action. The actions are: left, down, right, up.\n{start}"
    assert (reward, terminated, truncated, info["anchor"]) == (0.0, False, False, first["anchor"])
    for action in ("down", "right", "down"):
        assert plain.step(action)[0] == chatty.step(action)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size.*from 2 to 20; got 1"),
        ({"size": 21}, "size.*got 21"),
        ({"p": 1.5}, "p must be a number from 0 to 1; got 1.5"),
        ({"p": float("nan")}, "p must be a number from 0 to 1; got nan"),
        ({"p": "0.8"}, "p must be a number from 0 to 1; got '0.8'"),
        ({"rules": "atari"}, "rules.*'gymnasium', 'roll'.*'atari'"),
        ({"size": 8, "max_steps": 13}, "max_steps.*at least 14; got 13"),
        ({"layout": "ansi"}, "layout"),
        ({"is_slippery": "no"}, "is_slippery must be True or False; got 'no'"),
    ],
)
def test_mistakes_in_the_options_are_named_with_the_fix(options, message):
    with pytest.raises(ValueError, match=f"{message}.*env_config"):
        FrozenLakeTextEnv(**options)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(ACTIONS)), max_size=20))
def test_no_text_breaks_the_game(actions):
    env = FrozenLakeTextEnv(rules="roll")
    env.reset(seed=2)
    for action in actions:
        text, reward, terminated, truncated, info = env.step(action)
        assert text.endswith(info["anchor"])
        assert reward == float(info["won"])
        if terminated or truncated:
            break


@pytest.mark.parametrize("action", ["", "\x00\x1b[31m", "left " * 2500, "左", "😀" * 999])
def test_extreme_actions_change_nothing(action):
    env = FrozenLakeTextEnv()
    _, start = env.reset(seed=0)
    assert env.step(action)[-1]["anchor"] == start["anchor"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_slippery": False},
        {"rules": "roll", "layout": "compact"},
        {"size": 8, "p": 0.7, "is_slippery": False},
    ],
)
def test_it_keeps_the_contract(options):
    report = check_env(ID, env_config=options)
    report.raise_if_broken()
    assert report.recurring_anchors > 0.5
    if options.get("is_slippery") is False:
        assert report.expert_wins == 1.0
