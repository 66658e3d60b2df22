"""Delivery: a parcel to carry to a door, and a limit that is a multiple of what that takes."""

import math

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.common.walled_map import WalledMap
from rllib_gigpo.envs.delivery.delivery_env import WORDS, DeliveryEnv
from rllib_gigpo.envs.delivery.delivery_task import DeliveryState, DeliveryTask

ID = "rllib_gigpo.envs:Delivery-v0"
STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def places(rows):
    """Return the cells of each symbol."""
    cells = [(r, c, symbol) for r, row in enumerate(rows) for c, symbol in enumerate(row)]
    return {symbol: [(r, c) for r, c, s in cells if s == symbol] for _, _, symbol in cells}


def task_of(rows):
    """Return the task of rows of the symbols "A", "P", "D", "#" and "."."""
    cells = places(rows)
    walls = frozenset(cells.get("#", ()))
    return DeliveryTask(WalledMap(len(rows), cells["A"][0], cells["D"][0], walls), cells["P"][0])


def on_rows(rows, **options):
    env = DeliveryEnv(size=len(rows), layout="compact", **options)
    env.reset(seed=0)
    env._delivery = task_of(rows)
    env._state = env._delivery.start
    return env


def fewest_steps(rows):
    """Return the fewest steps from each state, by relaxing them until nothing changes.

    A state is the agent's cell and the parcel's, which is "held" while the agent has it.
    """
    door = places(rows)["D"][0]
    free = {(r, c) for r, row in enumerate(rows) for c, s in enumerate(row) if s != "#"}
    states = [(agent, parcel) for agent in free for parcel in [*free, "held"]]
    fewest = {state: 0 if state[1] == door else math.inf for state in states}

    def following(agent, parcel):
        for down, right in STEPS.values():
            yield (agent[0] + down, agent[1] + right), parcel
        if parcel in (agent, "held"):
            yield agent, "held" if parcel == agent else agent

    changed = True
    while changed:
        changed = False
        for state in states:
            best = 1 + min(fewest.get(one, math.inf) for one in following(*state))
            if best < fewest[state]:
                fewest[state], changed = best, True
    return fewest


def test_the_parcel_is_taken_carried_and_dropped_at_the_door():
    env = on_rows(["AP.", ".#.", ".#D"])
    texts, rewards = [], []
    for word in ("right", "take", "right", "down", "down"):
        text, reward, terminated, truncated, info = env.step(word)
        texts.append(text)
        rewards.append(reward)
        assert (terminated, truncated, info["won"], info["anchor"]) == (False, False, False, text)
    assert texts == [
        ".T.\n.#.\n.#D",
        ".C.\n.#.\n.#D",
        "..C\n.#.\n.#D",
        "...\n.#C\n.#D",
        "...\n.#.\n.#F",
    ]
    assert rewards == [0.0] * 5
    text, reward, terminated, truncated, info = env.step("drop")
    assert (text, reward, terminated, truncated) == ("...\n.#.\n.#√", 1.0, True, False)
    assert (info["won"], info["score"]) == (True, 1.0)
    assert "expert_action" not in info
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("up")


def test_a_parcel_dropped_elsewhere_lies_there():
    env = on_rows(["AP.", "...", "..D"])
    for word in ("right", "take", "down", "drop"):
        text, reward, *_ = env.step(word)
    assert (text, reward) == ("...\n.T.\n..D", 0.0)
    assert env.step("right")[0] == "...\n.PA\n..D"
    assert env.step("down")[0] == "...\n.P.\n..E"


@pytest.mark.parametrize("word", ["up", "left", "take", "drop"])
def test_words_without_an_effect_change_nothing(word):
    env = on_rows(["A.P", "...", "..D"])
    text, reward, *_ = env.step(word)
    assert (text, reward) == ("A.P\n...\n..D", 0.0)


def test_other_text_changes_nothing_and_gets_a_remark():
    env = on_rows(["A.P", "...", "..D"])
    text, reward, *_, info = env.step("open the door")
    assert text.startswith("That is not a valid action. The actions are: up, down, left, right, ")
    assert text.endswith("\nA.P\n...\n..D")
    assert (reward, info["anchor"]) == (0.0, "A.P\n...\n..D")


def test_equal_states_at_other_times_look_alike():
    env = on_rows(["A.P", "...", "..D"])
    _, *_, info = env.step("right")
    first = info["anchor"]
    env.step("left")
    text, *_, info = env.step("right")
    assert text == info["anchor"] == first


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(0, 16), st.integers(0, 2**32 - 1))
def test_from_every_state_the_expert_takes_the_fewest_steps(size, num_walls, seed):
    env = DeliveryEnv(size=size, num_walls=num_walls)
    rows = env.reset(seed=seed)[1]["anchor"].split("\n")
    task = env._delivery
    fewest = fewest_steps(rows)
    assert env.max_steps == 3 * fewest[places(rows)["A"][0], places(rows)["P"][0]]
    for (agent, parcel), steps in fewest.items():
        if math.isinf(steps) or agent not in task.map.distances:
            continue  # a cell behind walls
        state = DeliveryState(agent, None if parcel == "held" else parcel)
        assert task.steps_left(state) == steps
        if steps == 0:
            assert task.best_word(state) is None
        else:
            assert task.steps_left(task.after(state, task.best_word(state))) == steps - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_walls_cut_off_neither_parcel_nor_door(size, num_walls, seed):
    task = DeliveryTask.draw(np.random.default_rng(seed), size=size, num_walls=num_walls)
    named = {task.map.start, task.depot, task.map.goal}
    assert len(named) == 3
    assert not named & task.map.walls
    assert len(task.map.walls) <= num_walls
    assert named <= task.map.distances.keys()


def test_as_many_walls_are_drawn_as_asked_for():
    drawn = [
        DeliveryTask.draw(np.random.default_rng(seed), size=4, num_walls=3) for seed in range(100)
    ]
    assert {len(task.map.walls) for task in drawn} == {3}
    assert len({(task.map, task.depot) for task in drawn}) > 95


@pytest.mark.parametrize(
    ("slack", "needed", "limit"),
    [
        (1, 10, 10),
        (1.1, 10, 11),
        (1.25, 10, 13),  # 12.5 rounded up
        (3, 10, 30),
        (2.2, 25, 55),  # 55.00000000000001 in floating point
    ],
)
def test_the_limit_is_the_slack_times_the_steps_that_the_task_needs(slack, needed, limit):
    env = DeliveryEnv(size=8, num_walls=20, slack=slack)
    for seed in range(500):
        env.reset(seed=seed)
        if env._delivery.steps_left(env._delivery.start) == needed:
            break
    ends = [env.step("hm")[2:4] for _ in range(limit)]
    assert ends == [(False, False)] * (limit - 1) + [(False, True)]


def test_the_maps_of_a_seed_do_not_depend_on_the_slack():
    for seed in range(20):
        firsts = {DeliveryEnv(slack=slack).reset(seed=seed)[0] for slack in (1.5, 3, 6)}
        assert len(firsts) == 1


def test_with_no_slack_the_expert_wins_in_the_last_step():
    env = DeliveryEnv(size=5, num_walls=4, slack=1)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        for _ in range(env.max_steps - 1):
            *_, truncated, info = env.step(info["expert_action"])
            assert not truncated
        _, reward, terminated, truncated, _ = env.step(info["expert_action"])
        assert (reward, terminated, truncated) == (1.0, True, False)


def test_max_steps_is_the_same_limit_for_every_task():
    env = DeliveryEnv(max_steps=4)
    for seed in range(5):
        env.reset(seed=seed)
        ends = [env.step("hm")[2:4] for _ in range(4)]
        assert ends == [(False, False)] * 3 + [(False, True)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size.*from 2 to 8; got 1"),
        ({"size": 9}, "size.*got 9"),
        ({"num_walls": -1}, "num_walls.*at least 0; got -1"),
        ({"slack": 0.9}, "slack.*from 1 to 100; got 0.9"),
        ({"slack": math.nan}, "slack.*got nan"),
        ({"slack": "3"}, "slack.*got '3'"),
        ({"max_steps": 0}, "max_steps.*at least 1; got 0"),
        ({"slack": 3, "max_steps": 20}, "slack=3 and max_steps=20. Set one of them to None"),
        ({"layout": "ansi"}, "layout"),
    ],
)
def test_bad_options_are_named_with_the_cure(options, message):
    with pytest.raises(ValueError, match=f"{message}.*env_config"):
        DeliveryEnv(**options)


@pytest.mark.parametrize(
    "options", [{}, {"size": 3, "num_walls": 1, "slack": 1.5, "layout": "compact"}]
)
def test_delivery_keeps_the_contract(options):
    report = check_env(ID, env_config=options)
    report.raise_if_broken()
    assert report.expert_wins == 1.0
    assert report.recurring_anchors > 0.5
    assert report.info_shares["anchor"] == 1.0


def test_the_words_are_the_admissible_actions_in_every_state():
    env = DeliveryEnv()
    _, info = env.reset(seed=0)
    while not info["won"]:
        assert info["admissible_actions"] == list(WORDS)
        *_, info = env.step(info["expert_action"])
