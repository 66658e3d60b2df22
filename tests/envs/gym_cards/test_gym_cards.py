import zlib

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.gym_cards.blackjack import BlackjackTextEnv
from rllib_gigpo.envs.gym_cards.drawing import blank, draw_hand, draw_text
from rllib_gigpo.envs.gym_cards.number_line import NumberLineEnv
from rllib_gigpo.envs.gym_cards.points_game import EZPointsEnv, Points24Env

GAMES = {
    "NumberLine": NumberLineEnv,
    "EZPoints": EZPointsEnv,
    "Points24": Points24Env,
    "Blackjack": BlackjackTextEnv,
}

pytestmark = pytest.mark.filterwarnings("ignore:.*Blackjack-v0 is out of date")


def play(env, actions):
    """Return (reward, terminated, truncated) of each action."""
    return [env.step(action)[1:4] for action in actions]


def number_line(target, current, **options):
    env = NumberLineEnv(**options)
    env.reset(seed=0)
    env._target, env._current = target, current
    return env


def with_cards(env, *ranks):
    """Deal these cards, from 1 (ace) to 13 (king)."""
    env._draw_ranks = lambda: ranks
    env.reset(seed=0)
    return env


def test_number_line_rewards_the_target_and_punishes_steps_that_do_not_come_closer():
    env = number_line(target=4, current=1)
    assert play(env, "+-+++") == [
        (0.0, False, False),
        (-1.0, False, False),
        (0.0, False, False),
        (0.0, False, False),
        (1.0, True, False),
    ]


def test_number_line_ends_at_0_and_5_and_standing_still_does_not_come_closer():
    assert play(number_line(target=2, current=0), "-") == [(-1.0, False, False)]
    env = number_line(target=0, current=5)
    assert play(env, "+") == [(-1.0, False, False)]
    assert env.step("left")[1] == -1.0  # an invalid action costs as much as a wrong move
    assert env.step("-")[0] == "Target: 0\nCurrent: 4"


def test_number_line_is_truncated_after_ten_steps():
    env = number_line(target=0, current=5)
    ends = play(env, "+" * 10)
    assert ends == [(-1.0, False, False)] * 9 + [(-1.0, False, True)]


def test_winning_with_the_last_step_is_no_truncation_and_leaves_the_expert_silent():
    env = number_line(target=2, current=1, max_steps=1)
    _, reward, terminated, truncated, info = env.step("+")
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert "expert_action" not in info


def test_number_line_draws_all_thirty_tasks():
    env = NumberLineEnv()
    assert len({env.reset(seed=seed)[0] for seed in range(500)}) == 30


@pytest.mark.parametrize(
    ("ranks", "actions", "reward"),
    [
        ((5, 7), ["5", "+", "7", "="], 10.0),
        ((7, 5), ["5", "+", "7", "="], 10.0),
        ((2, 13), ["10", "+", "2", "="], 10.0),
        ((3, 4), ["4", "*", "3", "="], 10.0),
        ((3, 4), ["4", "+", "3", "="], 0.0),
        ((5, 7), ["5", "7", "+", "="], 0.0),
        ((5, 7), ["="], 0.0),
        ((2, 6), ["6", "+", "="], 0.0),
    ],
)
def test_ezpoints_pays_ten_for_twelve_from_both_cards(ranks, actions, reward):
    results = play(with_cards(EZPointsEnv(), *ranks), actions)
    assert results[:-1] == [(0.0, False, False)] * (len(actions) - 1)
    assert results[-1] == (reward, True, False)


def test_a_formula_of_the_right_value_without_every_card_does_not_win():
    env = with_cards(Points24Env(), 4, 6, 1, 1)
    assert play(env, ["4", "*", "6", "="])[-1] == (0.0, True, False)
    env = with_cards(Points24Env(), 4, 6, 1, 1)
    assert play(env, ["4", "*", "6", "*", "1", "/", "1", "="])[-1] == (10.0, True, False)


def test_points24_needs_exact_fractions_and_survives_division_by_zero():
    env = with_cards(Points24Env(), 3, 3, 8, 8)
    assert play(env, [*"8/(3-8/3)="])[-1] == (10.0, True, False)
    env = with_cards(Points24Env(), 3, 3, 8, 8)
    play(env, [*"8/(3-3)"])
    text, reward, terminated, _, _ = env.step("=")
    assert (text.splitlines()[-1], reward, terminated) == (
        "Formula: 8 / ( 3 - 3 ) = no number",
        0.0,
        True,
    )


def test_a_number_that_no_unused_card_has_is_left_out_and_said_so():
    env = with_cards(EZPointsEnv(), 6, 6)
    play(env, ["6", "+"])
    assert env.step("7")[0].splitlines()[0] == "There is no unused card with the number 7."
    play(env, ["6"])
    text, reward, terminated, _, info = env.step("6")
    assert text.splitlines()[0] == "There is no unused card with the number 6."
    assert (reward, terminated) == (0.0, False)
    assert info["admissible_actions"] == ["+", "*", "="]
    assert env.step("=")[1] == 10.0


def test_a_formula_that_grows_too_long_truncates():
    assert play(with_cards(EZPointsEnv(), 6, 6), "+" * 6)[-2:] == [
        (0.0, False, False),
        (0.0, False, True),
    ]
    env = with_cards(Points24Env(), 6, 6, 6, 6)
    assert play(env, "(" * 21)[-2:] == [(0.0, False, False), (0.0, False, True)]


def test_the_state_in_words_and_a_result_of_zero():
    env = with_cards(Points24Env(), 1, 11, 12, 13)
    assert env._text() == "Cards: A, J, Q, K\nNumbers: 1, 10, 10, 10\nFormula: (empty)"
    play(env, ["10", "-"])
    text, _, _, _, info = env.step("10")
    assert text.splitlines()[-1] == "Formula: 10 - 10"
    assert info["anchor"] == text
    assert info["admissible_actions"] == ["1", "10", "+", "-", "*", "/", "(", ")", "="]
    assert env.step("=")[0].endswith("Formula: 10 - 10 = 0")


def test_every_hand_of_ezpoints_can_be_solved_by_a_sum_or_a_product():
    env = EZPointsEnv()
    hands = []
    for seed in range(1000):
        env.reset(seed=seed)
        first, second = (min(rank, 10) for rank in env._ranks)
        assert first + second == 12 or first * second == 12
        assert all(2 <= rank <= 13 for rank in env._ranks)
        hands.append((first, second))
    assert set(hands) == {
        *((first, 12 - first) for first in range(2, 11)),
        *((2, 6), (3, 4), (4, 3), (6, 2)),
    }
    # One card in twelve is a 2; half of its partners are factors.
    assert 0.02 < hands.count((2, 6)) / 1000 < 0.07


def test_points24_draws_hopeless_hands_too_unless_told_not_to():
    assert not all("expert_action" in Points24Env().reset(seed=seed)[1] for seed in range(30))
    env = Points24Env(solvable_only=True)
    assert all("expert_action" in env.reset(seed=seed)[1] for seed in range(30))


@pytest.mark.parametrize(
    ("env", "seeds"),
    [(NumberLineEnv(), 30), (EZPointsEnv(), 60), (Points24Env(solvable_only=True), 20)],
)
def test_the_expert_wins_every_task(env, seeds):
    for seed in range(seeds):
        _, info = env.reset(seed=seed)
        while "expert_action" in info:
            assert info["expert_action"] in info["admissible_actions"]
            _, reward, _, _, info = env.step(info["expert_action"])
        assert info["won"]
        assert reward in (1.0, 10.0)


def test_the_points_expert_goes_on_from_another_beginning_or_gives_up():
    env = with_cards(EZPointsEnv(), 6, 2)
    assert env.step("6")[-1]["expert_action"] == "*"
    assert env.step("*")[-1]["expert_action"] == "2"
    assert "expert_action" not in env.step("*")[-1]
    env = with_cards(EZPointsEnv(), 6, 2)
    assert env.step("2")[-1]["expert_action"] == "*"


@pytest.mark.parametrize("game", GAMES)
def test_pictures_are_drawn_without_fonts_and_anchors_stay_text(game):
    env, text_env = GAMES[game](observation="image"), GAMES[game]()
    picture, info = env.reset(seed=1)
    assert (picture.shape, picture.dtype) == ((300, 300, 3), np.uint8)
    assert env.observation_space.contains(picture)
    assert info["anchor"] == text_env.reset(seed=1)[1]["anchor"]
    pictures = {zlib.crc32(env.reset(seed=seed)[0].tobytes()) for seed in range(40)}
    assert len(pictures) > 12
    assert (env.reset(seed=1)[0] == picture).all()


def test_a_picture_changes_with_the_formula():
    env = with_cards(EZPointsEnv(observation="image"), 5, 7)
    before = env._image()
    after = env.step("5")[0]
    assert (before != after).any()
    assert (before[:150] == after[:150]).all()


def test_long_texts_break_into_lines_and_many_cards_stay_inside():
    canvas = blank()
    draw_text(canvas, "1" * 200, top=10, left=20, scale=3)
    draw_hand(canvas, ["10"] * 21, top=188)
    assert (canvas[10:31] != blank()[10:31]).any()
    assert (canvas[34:55] != blank()[34:55]).any()
    assert (canvas[:, :20] == blank()[:, :20]).all()


@pytest.mark.parametrize("game", GAMES)
def test_other_words_change_nothing_and_count_as_a_step(game):
    env = GAMES[game](max_steps=2)
    _, start = env.reset(seed=0)
    text, reward, terminated, truncated, info = env.step("reboot")
    assert text.startswith("That is not a valid action. The actions are: ")
    expected = -1.0 if game == "NumberLine" else 0.0
    assert (reward, terminated, truncated) == (expected, False, False)
    assert info["anchor"] == start["anchor"]
    assert env.step("11")[2:4] == (False, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("=")


@pytest.mark.parametrize("game", GAMES)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_no_text_breaks_the_game(game, data):
    env = GAMES[game]()
    env.reset(seed=data.draw(st.integers(0, 9)))
    words = st.one_of(st.text(max_size=100), st.sampled_from(env.words))
    for action in data.draw(st.lists(words, max_size=12)):
        text, reward, terminated, truncated, info = env.step(action)
        assert isinstance(text, str)
        assert reward in (-1.0, 0.0, 1.0, 10.0)
        assert reward <= 0 or info["won"]
        if terminated or truncated:
            break


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("action", ["", "\x00\x1b[31m", "+ " * 5000, "十", "😀" * 999])
def test_extreme_actions_change_nothing(game, action):
    env = GAMES[game]()
    _, start = env.reset(seed=0)
    assert env.step(action)[-1]["anchor"] == start["anchor"]


@pytest.mark.parametrize("game", GAMES)
def test_mistakes_in_the_options_are_named_with_the_fix(game):
    with pytest.raises(ValueError, match=r"max_steps.*at least 1; got 0.*env_config"):
        GAMES[game](max_steps=0)
    with pytest.raises(ValueError, match=r"observation.*'text', 'image'; got 'sound'"):
        GAMES[game](observation="sound")


def test_a_word_is_no_flag():
    with pytest.raises(ValueError, match=r"solvable_only must be True or False; got 'yes'.*env_c"):
        GAMES["Points24"](solvable_only="yes")


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("observation", ["text", "image"])
def test_they_keep_the_contract(game, observation):
    to_text = None if observation == "text" else lambda picture: str(zlib.crc32(picture.tobytes()))
    report = check_env(
        f"rllib_gigpo.envs:{game}-v0",
        env_config={"observation": observation},
        observation_to_text=to_text,
    )
    report.raise_if_broken()
    assert report.recurring_anchors > 0
