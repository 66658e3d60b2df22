"""WebShop-v0 compared with the recorded behaviour of the original simulator."""

import json
import random
from dataclasses import asdict

import pytest
from support.games.webshop_reference import FILES, needs_reference, original_behaviour

from rllib_gigpo.envs.webshop.goals import Goal, synthetic_goals
from rllib_gigpo.envs.webshop.pages import SEARCH
from rllib_gigpo.envs.webshop.scoring import nouns
from rllib_gigpo.envs.webshop.scoring.nouns import simple_nouns
from rllib_gigpo.envs.webshop.scoring.reward import score_purchase
from rllib_gigpo.envs.webshop.session import Session
from rllib_gigpo.envs.webshop.shop import ShopSettings, open_shop

pytestmark = needs_reference


@pytest.fixture(scope="module")
def shop():
    return open_shop(ShopSettings(**FILES))


def original_goal(shop, number):
    recorded = original_behaviour()["goals"][str(number)]
    product = shop.catalogue.by_asin[recorded["asin"]]
    return Goal(
        product=product,
        instruction=recorded["instruction_text"],
        attributes=tuple(recorded["attributes"]),
        options=tuple(recorded["goal_options"].items()),
        price_upper=recorded["price_upper"],
    )


def judge(goal, product, options):
    price = original_behaviour()["prices"][product.asin]
    return score_purchase(goal, product, options, price=price, nouns=simple_nouns)


class RecordedEngine:
    """A search engine that returns the original's list, padded to the recorded number."""

    def __init__(self, shop, transcript):
        self._catalogue = shop.catalogue
        self._answers = {
            step["action"][len("search[") : -1].lower(): step
            for step in transcript["steps"]
            if step.get("action", "").startswith("search[")
        }

    def search(self, query, rng):
        step = self._answers[query]
        num_results = int(step["obs"].split("(Total results: ")[1].split(")")[0])
        listed = [
            self._catalogue.by_asin[name.upper()]
            for name in step["avail"]["clickables"]
            if name.upper() in self._catalogue.by_asin
        ]
        return listed + list(self._catalogue.products)[: num_results - len(listed)]


def test_no_training_goal_reads_like_a_test_goal(shop):
    held_out = {goal.instruction for goal in shop.goals.test}
    assert len(shop.goals.test) == 500
    assert held_out.isdisjoint(goal.instruction for goal in shop.goals.train)
    assert len(shop.goals.train) < 6038 - 500  # some products list a value twice


def test_a_number_names_the_same_goal_as_in_the_original(shop):
    with open(FILES["attributes_file"], encoding="utf-8") as file:
        goals = synthetic_goals(shop.catalogue, json.load(file), attributes_file="attributes")
    assert len(goals) == 6038
    for number, recorded in original_behaviour()["goals"].items():
        goal = goals[int(number)]
        assert goal.product.asin == recorded["asin"]
        assert goal.product.title == recorded["name"]
        for field in ("category", "query", "product_category"):
            assert getattr(goal.product, field) == recorded[field]
        assert dict(goal.options) == recorded["goal_options"]
        assert list(goal.attributes) == recorded["attributes"]
        assert goal.weight == pytest.approx(recorded["weight"], rel=1e-12)
        # The original draws prices from an unseeded generator.
        words, cap = ", and price lower than ", f"{recorded['price_upper']:.2f} dollars"
        assert recorded["instruction_text"] == goal.instruction.split(words)[0] + words + cap
        assert goal.instruction.endswith(f"{words}{goal.price_upper:.2f} dollars")


def test_prices_are_those_of_the_original_where_it_draws_none(shop):
    recorded = original_behaviour()["prices"]
    assert set(recorded) == set(shop.catalogue.prices)
    for asin, price in shop.catalogue.prices.items():
        bounds = shop.catalogue.by_asin[asin].price_range
        assert min(bounds) <= price <= max(bounds)
        assert len(bounds) == 2 or price == recorded[asin]


def test_all_rewards_and_their_parts_are_equal(shop):
    rewards = original_behaviour()["rewards"]
    assert len(rewards) == 300
    for record in rewards:
        score = score_purchase(
            original_goal(shop, record["goal"]),
            shop.catalogue.by_asin[record["asin"]],
            record["options"],
            price=record["price"],
            nouns=simple_nouns,
        )
        parts = {name: part for name, part in asdict(score).items() if part is not None}
        assert parts == pytest.approx({"reward": record["reward"], **record["info"]}, abs=1e-9)


def test_the_recorded_tagger_is_the_simple_one():
    tagger = original_behaviour()["tagger"]
    assert set(tagger["function_words"]) == nouns._FUNCTION_WORDS
    assert set(tagger["adjectives"]) == nouns._ADJECTIVES


def test_fixing_the_options_makes_every_exact_purchase_perfect(shop):
    exact = [record for record in original_behaviour()["rewards"] if record["mode"] == "exact"]
    scores = {fix: [] for fix in (False, True)}
    for fix, found in scores.items():
        for record in exact:
            goal = original_goal(shop, record["goal"])
            score = score_purchase(
                goal,
                goal.product,
                dict(goal.options),
                price=record["price"],
                nouns=simple_nouns,
                fix_option_match=fix,
            )
            found.append(score.reward)
    assert min(scores[True]) == 1.0
    assert 0 < sum(reward < 1 for reward in scores[False]) < 0.1 * len(exact)


@pytest.mark.parametrize("number", range(10))
def test_transcripts_are_equal(shop, number):
    transcript = original_behaviour()["transcripts"][number]
    engine = RecordedEngine(shop, transcript)
    session = Session(original_goal(shop, transcript["goal"]), engine, judge, random.Random(0))
    for step in transcript["steps"]:
        if "action" in step:
            session.act(step["action"])
            reward = session.score.reward if session.score else 0.0
            assert reward == pytest.approx(step["reward"], abs=1e-9)
            assert (session.score is not None) == step["done"]
        assert session.page.text == step["obs"]
        assert session.page.clickables == step["avail"]["clickables"]
        assert session.page.has_search_bar == step["avail"]["has_search_bar"]
        assert (SEARCH in session.page.clickables) == step["avail"]["has_search_bar"]


def test_the_own_search_lists_nearly_the_same_products(shop):
    """Compare with a run on bm25s, which has neither rounded lengths nor the same tokens."""
    overlaps = []
    for transcript in original_behaviour()["transcripts"]:
        for step in transcript["steps"]:
            if step.get("action", "").startswith("search["):
                found = shop.engine.ranking(step["action"][len("search[") : -1].lower())[:10]
                listed = {name.upper() for name in step["avail"]["clickables"]}
                overlaps.append(len(listed & {p.asin for p in found}) / len(found))
    assert len(overlaps) == 16
    assert sum(overlaps) / len(overlaps) > 0.95  # 0.975 when measured
