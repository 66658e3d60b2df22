"""Random play: placeholders of an action are filled with words of the task."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.common.random_actions import draw_action, fill_placeholders
from rllib_gigpo.envs.conformance.env_probe import play, random_policy
from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, TASK
from rllib_gigpo.prompting.action_parser import ActionParser


@pytest.mark.parametrize("action", ["click[< prev]", "click[next >]", "<answer>yes</answer>", ""])
def test_actions_without_a_placeholder_stay_as_they_are(action):
    assert fill_placeholders(action, "buy red shoes", random.Random(0)) == action


def test_without_a_task_the_words_of_the_placeholder_are_typed():
    drawn = {fill_placeholders("say <any word>", "", random.Random(seed)) for seed in range(20)}
    assert drawn == {"say any", "say word", "say any word", "say word any"}
    assert fill_placeholders("say <! !>", "", random.Random(0)) == "say anything"


def test_without_admissible_actions_nothing_is_drawn():
    assert draw_action({TASK: "buy red shoes"}, random.Random(0)) is None


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(), st.integers(0, 2**31))
def test_whatever_the_task_says_a_filled_action_is_admissible(task, seed):
    known = ["search[<your query>]", "from <place one> to <place two>"]
    action = draw_action({ADMISSIBLE_ACTIONS: known, TASK: task}, random.Random(seed))
    assert action not in known
    parser = ActionParser(action_tag=None, think_tag=None)
    assert parser.parse(action, known).is_admissible


def test_random_searches_in_webshop_find_products():
    pytest.importorskip("Stemmer", reason='WebShop is not installed: pip install -e ".[webshop]"')
    from rllib_gigpo.envs.webshop.webshop_env import SEARCH_ACTION, WebShopEnv

    env = WebShopEnv(num_products=40, num_test_goals=50)
    policy = random_policy(env.action_space, 0)
    episodes = [
        play(env, seed=seed, policy=policy, to_text=str, max_steps=15) for seed in range(20)
    ]
    turns = [turn for episode in episodes for turn in episode.turns]
    assert SEARCH_ACTION not in {turn.action for turn in turns}
    searches = [turn for turn in turns if str(turn.action).startswith("search[")]
    found = [turn for turn in searches if "Total results: 0" not in turn.text]
    assert len(found) > len(searches) / 2
