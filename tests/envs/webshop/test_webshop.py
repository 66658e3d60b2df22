"""WebShop-v0 as an agent sees it: pages, actions, rewards, ``info``, the expert."""

import importlib.util
import json
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.games.webshop_reference import FILES, needs_reference

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.webshop.goal_split import FIRST_TEST_SEED
from rllib_gigpo.envs.webshop.products.synthetic_products import synthetic_files
from rllib_gigpo.envs.webshop.search import analyzer
from rllib_gigpo.envs.webshop.webshop_env import SEARCH_ACTION, WebShopEnv

SMALL = {"num_products": 40, "num_test_goals": 50}


def play(env, actions, *, seed=0):
    """Return the results of ``reset`` and of every action."""
    answers = [env.reset(seed=seed)]
    answers += [env.step(action) for action in actions]
    return answers


def follow_expert(env, seed):
    """Return the last result, the actions and the anchors."""
    _, info = env.reset(seed=seed)
    actions, anchors = [], [info["anchor"]]
    while True:
        actions.append(info["expert_action"])
        answer = env.step(actions[-1])
        info = answer[-1]
        anchors.append(info["anchor"])
        if answer[2] or answer[3]:
            return answer, actions, anchors


def goal_actions(env, seed=0):
    """Return the expert's search, click and choices for the purchase."""
    return follow_expert(env, seed)[1]


@pytest.mark.parametrize(
    "env_config",
    [
        {},
        {"goals": "human", "num_test_goals": 20},
        {"reward": "win", "observation": "page_without_goal", "fix_option_match": True},
    ],
)
def test_it_keeps_the_contract(env_config):
    report = check_env("rllib_gigpo.envs:WebShop-v0", env_config=env_config)
    report.raise_if_broken()
    assert report.expert_wins == 1.0
    assert 0.4 < report.recurring_anchors < 0.9


@needs_reference
def test_it_keeps_the_contract_on_webshops_own_files():
    report = check_env("rllib_gigpo.envs:WebShop-v0", env_config=FILES)
    report.raise_if_broken()
    assert report.expert_wins == 1.0


@pytest.mark.parametrize("goals", ["synthetic", "human"])
def test_the_expert_makes_a_perfect_purchase_of_every_kind_of_goal(goals):
    env = WebShopEnv(goals=goals, num_test_goals=50)
    for seed in [*range(0, 1600, 9), *range(FIRST_TEST_SEED, FIRST_TEST_SEED + 50)]:
        (text, reward, terminated, truncated, info), actions, _ = follow_expert(env, seed)
        assert (reward, terminated, truncated) == (1.0, True, False)
        assert (info["won"], info["score"]) == (True, 1.0)
        assert "expert_action" not in info
        assert len(actions) <= 7
        assert text.startswith("Thank you for shopping with us!")


def test_the_expert_finds_its_way_back_from_anywhere():
    env = WebShopEnv(max_steps=60)
    for seed in range(30):
        rng = random.Random(seed)
        _, info = env.reset(seed=seed)
        for _ in range(30):
            actions = [a for a in info["admissible_actions"] if a != "click[buy now]"]
            _, _, _, _, info = env.step(rng.choice(actions))
        terminated = False
        while not terminated:
            _, reward, terminated, truncated, info = env.step(info["expert_action"])
            assert not truncated
        assert reward == 1.0


def test_the_expert_buys_although_some_values_cannot_be_chosen(tmp_path):
    items, attributes, _ = synthetic_files(num_products=1, seed=0)
    values = {"Page": ["Description", "Buy Now"], "A": ["same", ""], "B": ["other", "same"]}
    items[0]["customization_options"] = {
        name: [{"value": text} for text in texts] for name, texts in values.items()
    }
    for name, content in (("items", items), ("attributes", attributes)):
        (tmp_path / name).write_text(json.dumps(content))
    env = WebShopEnv(
        items_file=tmp_path / "items", attributes_file=tmp_path / "attributes", num_test_goals=1
    )
    for seed in range(7):
        (_, reward, terminated, _, _), actions, _ = follow_expert(env, seed)
        assert terminated
        assert reward >= 4 / 6  # two attributes, the price and "b"
        assert "click[]" not in actions


@needs_reference
def test_the_expert_finds_every_product_of_the_real_catalogue():
    env = WebShopEnv(**FILES, fix_option_match=True)
    results = [follow_expert(env, seed) for seed in range(0, 5538, 37)]
    rewards = [answer[1] for answer, _, _ in results]
    # A few products list the same text under two options, and only one of them can be chosen.
    assert sum(reward == 1.0 for reward in rewards) / len(rewards) > 0.97
    assert min(rewards) > 0.5


def test_pages_follow_each_other_as_in_webshop():
    env = WebShopEnv(**SMALL)
    start, info = env.reset(seed=0)
    assert start == f"WebShop [SEP] Instruction: [SEP] {info['task']} [SEP] Search"
    assert info["admissible_actions"] == [SEARCH_ACTION]

    text, _, _, _, info = env.step("search[soft pack small medium]")
    head = f"Instruction: [SEP] {info['task']} [SEP] Back to Search [SEP] "
    assert text.startswith(f"{head}Page 1 (Total results: ")
    assert info["admissible_actions"][:2] == ["click[back to search]", "click[next >]"]
    assert len(info["admissible_actions"]) == 12

    second = env.step("click[next >]")[0]
    assert second.startswith(f"{head}Page 2 (Total results: ")
    assert " [SEP] < Prev [SEP] Next > [SEP] B" in second
    assert env.step("click[< prev]")[0] == text

    product = info["admissible_actions"][2]
    item, _, _, _, info = env.step(product)
    assert item.startswith(f"{head}< Prev [SEP] ")
    assert item.endswith(
        "Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
    )
    assert env.step("click[reviews]")[0] == f"{head}< Prev"
    assert env.step("click[features]")[0] == f"{head}< Prev"  # no such button on a sub page
    assert env.step("click[< prev]")[0] == item
    assert env.step("click[< prev]")[0] == text
    assert env.step("click[back to search]")[0] == start


def test_the_search_works_on_every_page_and_pages_behind_the_last_are_empty():
    env = WebShopEnv(**SMALL, max_steps=50)
    search, click, *_ = goal_actions(env)
    env.reset(seed=0)
    for actions in ([search], [search, click], [search, click, "click[features]"]):
        for action in actions:
            env.step(action)
        text = env.step("search[polo shirts]")[0]
        assert "Page 1 (Total results: 2) [SEP] Next > [SEP] B" in text
    text, _, _, _, info = env.step("click[next >]")
    assert text.endswith("Page 2 (Total results: 2) [SEP] < Prev [SEP] Next >")
    assert "click[next >]" in info["admissible_actions"]


NO_ACTIONS = (
    *("", "xyzzy", "search", "search[]", "click[]", "click[search]", "click[next >]"),
    *("click[b000000000]", "buy now", "click buy now", "\x00\ud800", "[[[]]]", "click["),
)


@pytest.mark.parametrize("action", NO_ACTIONS)
def test_other_text_changes_nothing_and_is_not_rewarded(action):
    env = WebShopEnv(**SMALL)
    start, info = env.reset(seed=0)
    text, reward, terminated, truncated, after = env.step(action)
    assert (text, reward, terminated, truncated) == (start, 0.0, False, False)
    assert after == info


def test_without_the_goal_the_page_follows_a_remark_on_what_is_no_action():
    env = WebShopEnv(**SMALL, observation="page_without_goal", max_steps=20)
    start, info = env.reset(seed=0)
    for action in (*NO_ACTIONS, "x" * 10_000):
        text, *_, after = env.step(action)
        assert text.startswith("That is not a valid action. Use search[words], or click[x]")
        assert text.endswith(f" [SEP] {start}")
        assert after == info
    assert env.step(info["expert_action"])[0].startswith("Back to Search")


def test_case_and_blanks_around_an_action_do_not_matter():
    env = WebShopEnv(**SMALL)
    actions = goal_actions(env)
    assert play(env, actions) == play(env, [f" {action.upper()}\n" for action in actions])


def test_choices_do_not_show_but_are_part_of_the_anchor():
    env = WebShopEnv(**SMALL)
    search, click, first, second, _ = goal_actions(env)
    answers = play(env, [search, click, first, second])
    opened, chosen_one, chosen_two = answers[2], answers[3], answers[4]
    assert opened[0] == chosen_one[0] == chosen_two[0]
    anchors = {answer[-1]["anchor"] for answer in (opened, chosen_one, chosen_two)}
    assert len(anchors) == 3
    other_order = play(env, [search, click, second, first])
    assert other_order[-1][-1]["anchor"] == chosen_two[-1]["anchor"]


def test_a_search_clears_the_choices():
    env = WebShopEnv(**SMALL)
    search, click, first = goal_actions(env)[:3]
    answers = play(env, [search, click, first, "click[< prev]", click])
    assert answers[5][-1]["anchor"] == answers[2][-1]["anchor"]
    kept = play(env, [search, click, first, "click[features]", "click[< prev]"])
    assert kept[5][-1]["anchor"] == kept[3][-1]["anchor"]


def test_empty_sub_pages_of_two_products_are_two_states():
    env = WebShopEnv(**SMALL)
    anchors = set()
    for place in (2, 3):
        _, _, _, _, info = play(env, ["search[polo shirts]"])[-1]
        answers = play(
            env,
            ["search[polo shirts]", info["admissible_actions"][place], "click[reviews]"],
        )
        anchors.add(answers[-1][-1]["anchor"])
    assert len(anchors) == 2


def test_only_perfect_purchases_pay_under_the_win_reward():
    env = WebShopEnv(**SMALL, reward="win")
    search, click, *choices, buy = goal_actions(env)
    answer = play(env, [search, click, *choices, buy])[-1]
    assert (answer[1], answer[-1]["score"], answer[-1]["won"]) == (10.0, 1.0, True)
    answer = play(env, [search, click, buy])[-1]
    assert (answer[1], answer[2], answer[-1]["won"]) == (0.0, True, False)
    assert 0 < answer[-1]["score"] < 1


def test_the_score_is_the_reward_by_default():
    env = WebShopEnv(**SMALL)
    search, click, *_, buy = goal_actions(env)
    *before, (_, reward, terminated, _, info) = play(env, [search, click, buy])
    assert terminated
    assert reward == info["score"] == pytest.approx(3 / 5)  # 2 attributes and the price
    assert all(answer[-1]["score"] == 0 for answer in before)


def test_the_limit_truncates_but_not_a_purchase_at_the_last_step():
    env = WebShopEnv(**SMALL, max_steps=3)
    search, click = goal_actions(WebShopEnv(**SMALL))[:2]
    assert play(env, [search, click, "look"])[-1][1:4] == (0.0, False, True)
    assert play(env, [search, click, "click[buy now]"])[-1][2:4] == (True, False)


def test_without_the_goal_the_page_starts_behind_it():
    full, short = WebShopEnv(**SMALL), WebShopEnv(**SMALL, observation="page_without_goal")
    actions = goal_actions(full)
    pairs = zip(play(full, actions), play(short, actions), strict=True)
    for answer, shortened in pairs:
        task = answer[-1]["task"]
        assert answer[0].split(f"{task} [SEP] ")[-1] == shortened[0]
        assert answer[-1] == shortened[-1]


def test_without_the_expert_info_names_no_action():
    _, info = WebShopEnv(**SMALL, expert=False).reset(seed=0)
    assert "expert_action" not in info
    assert info["tags"][:2] == ["webshop", "synthetic"]


def test_a_seed_is_the_same_episode_in_every_instance_whatever_was_played_before():
    actions = ["search[<r>]", "click[next >]", "click[back to search]", "search[<r>]"]
    env = WebShopEnv()
    first = play(env, actions, seed=5)
    play(env, actions, seed=6)
    assert play(env, actions, seed=5) == first == play(WebShopEnv(), actions, seed=5)
    assert first[1][0] != first[4][0]  # each "<r>" draws again


def test_a_reset_without_a_seed_draws_a_training_goal():
    env = WebShopEnv()
    env.reset(seed=1)
    held_out = {goal.instruction for goal in env._shop.goals.test}
    tasks = {env.reset()[1]["task"] for _ in range(20)}
    assert len(tasks) > 10
    assert tasks.isdisjoint(held_out)


def test_environments_of_a_process_share_the_shop_and_play_in_threads():
    envs = [WebShopEnv(**SMALL) for _ in range(4)]
    assert len({id(env._shop) for env in envs}) == 1
    actions = goal_actions(envs[0])
    with ThreadPoolExecutor(4) as pool:
        games = list(pool.map(lambda env: play(env, actions), envs))
    assert all(game == games[0] for game in games)


@pytest.mark.parametrize(
    ("options", "num_train", "num_test"),
    [({}, 1378, 500), ({"goals": "human"}, 150, 50), ({"num_products": 20}, 142, 47)],
)
def test_the_default_keeps_goals_for_tests_however_few_there_are(options, num_train, num_test):
    split = WebShopEnv(**options)._shop.goals
    assert (len(split.train), len(split.test)) == (num_train, num_test)


def test_pickling_keeps_the_options():
    env = WebShopEnv(**SMALL, reward="win", max_steps=7)
    copy = pickle.loads(pickle.dumps(env))
    actions = goal_actions(env)
    assert play(copy, actions) == play(env, actions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "dense"}, "reward must be one of 'score', 'win'"),
        ({"observation": "html"}, "observation must be one of"),
        *(({"max_steps": value}, "max_steps must be a whole") for value in (0, "5", 2.5, True)),
        *(({"num_test_goals": v}, "num_test_goals must be a whole") for v in (0, "a", 2.5, True)),
        *(({"num_products": value}, "num_products must be a whole") for value in (0, "5", 2.5)),
        ({"catalogue_seed": "a"}, "catalogue_seed must be a whole"),
        ({"goals": ["human"]}, "goals must be one of 'synthetic', 'human'"),
        ({"fix_option_match": "no"}, "fix_option_match must be True or False"),
        ({"expert": 1}, "expert must be True or False"),
        ({"tagger": "magic"}, "tagger must be"),
        ({"tagger": 5}, "tagger must be"),
        ({"items_file": "missing.json", "attributes_file": "x"}, "missing.json cannot be read"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WebShopEnv(**options)


def test_a_missing_package_is_an_error_that_names_the_extra(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        analyzer.importlib.util, "find_spec", lambda name: None if name == "Stemmer" else find(name)
    )
    with pytest.raises(ImportError, match=r'Stemmer. Run pip install "rllib-gigpo\[webshop\]"'):
        WebShopEnv()


def test_stepping_after_the_end_asks_for_a_reset():
    env = WebShopEnv(**SMALL)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("search[x]")
    follow_expert(env, 0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("search[x]")
    short = WebShopEnv(**SMALL, max_steps=1)
    short.reset(seed=0)
    assert short.step("look")[2:4] == (False, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        short.step("click[search]")


def test_importing_it_loads_neither_its_packages_nor_spacy():
    code = (
        "import sys, rllib_gigpo.envs.webshop.webshop_env; "
        "print([m for m in ('Stemmer', 'rapidfuzz', 'spacy', 'ray', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


TEXT = st.text(st.characters(), max_size=60)
ACTION = st.one_of(
    TEXT,
    st.builds("search[{}]".format, TEXT),
    st.builds("click[{}]".format, TEXT),
    st.sampled_from(["search[<r>]", "search[<c>]", "search[<a> x]", "search[<q> lip balms]"]),
    st.integers(0, 40),  # an admissible action
)


@settings(deadline=None, derandomize=True, database=None, max_examples=80)
@given(st.lists(ACTION, max_size=14), st.integers(0, 2**31 - 1))
def test_no_text_raises_and_every_answer_keeps_the_contract(actions, seed):
    env = WebShopEnv(**SMALL)
    _, info = env.reset(seed=seed)
    for action in actions:
        if isinstance(action, int):
            action = info["admissible_actions"][action % len(info["admissible_actions"])]
        text, reward, terminated, truncated, info = env.step(action)
        assert text
        assert 0.0 <= reward <= 1.0
        assert len(set(info["admissible_actions"])) == len(info["admissible_actions"])
        assert info["anchor"].startswith(text)
        if terminated:
            return
        assert not truncated


@pytest.mark.parametrize("character", ["a", "[", "]", "\x00", "\U0001f600", "\u0301", "'", " "])
def test_very_long_actions_are_answered(character):
    env = WebShopEnv(**SMALL)
    for action in (character * 10_000, f"search[{character * 10_000}]", "click[" * 2000):
        env.reset(seed=0)
        assert env.step(action)[1:4] == (0.0, False, False)
