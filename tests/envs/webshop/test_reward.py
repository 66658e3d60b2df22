"""The score of a purchase, part by part, with numbers computed by hand."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rllib_gigpo.envs.webshop.goals import Goal
from rllib_gigpo.envs.webshop.products.product import Product
from rllib_gigpo.envs.webshop.scoring import nouns
from rllib_gigpo.envs.webshop.scoring.colors import COLOR_WORDS, normalize_color
from rllib_gigpo.envs.webshop.scoring.nouns import noun_tagger, simple_nouns
from rllib_gigpo.envs.webshop.scoring.reward import score_purchase
from rllib_gigpo.envs.webshop.scoring.similarity import token_set_ratio

MUG = Product(
    asin="B000000MUG",
    category="garden",
    query="mugs",
    product_category="Home › Kitchen › Cups",
    title="Blue Mug with Handle",
    description="Safe in the Dishwasher.",
    bullets=("Holds hot tea", "Stackable"),
    attributes=("hand made", "lead free"),
    options={"color": ("red", "dark blue"), "size": ("large", "x-large")},
    price_range=(12.0,),
    price_tag="$12.0",
)
GOAL = Goal(
    product=MUG,
    instruction="Find me mugs",
    attributes=("hand made", "stackable"),
    options=(("color", "red"), ("size", "x-large")),
    price_upper=20.0,
)
PERFECT = {"color": "red", "size": "x-large"}


def score(product=MUG, options=PERFECT, *, goal=GOAL, price=12.0, **settings):
    return score_purchase(goal, product, options, price=price, nouns=simple_nouns, **settings)


def test_the_product_asked_for_is_perfect():
    result = score()
    assert result.reward == 1.0
    assert (result.r_type, result.r_att, result.r_option, result.r_price) == (1.0, 1.0, 1.0, True)
    assert (result.w_att, result.w_option, result.w_price) == (0.4, 0.4, 0.2)


def test_every_part_counts_the_same():
    assert score(price=20.0).reward == 1.0
    assert score(price=20.01).reward == pytest.approx(4 / 5)
    assert score(options={"color": "red"}).reward == pytest.approx(4 / 5)
    assert score(options={}).reward == pytest.approx(3 / 5)
    other = replace(MUG, attributes=(), bullets=())
    assert score(other, {}, price=99).reward == 0.0


@pytest.mark.parametrize("wanted", ["made hand", "mug with", "hot tea stackable", "in the dishw"])
def test_attributes_are_looked_for_in_attributes_title_features_and_description(wanted):
    assert score(goal=replace(GOAL, attributes=(wanted,))).r_att == 1.0


def test_an_attribute_that_nothing_names_is_not_met():
    assert score(goal=replace(GOAL, attributes=("gluten free", "lead free"))).r_att == 0.5


@pytest.mark.parametrize(
    ("title", "query", "path", "title_score", "factor"),
    [
        # The goal's title has the nouns mug and handle; "Blue" and "with" are not nouns.
        ("Mug", "mugs", "", 1 / 2, 1.0),
        ("Mug", "other", "", 1 / 2, 1.0),
        ("Spoon", "mugs", "Home › Kitchen", 0.0, 0.0),
    ],
)
def test_the_type_is_judged_by_query_categories_and_title(title, query, path, title_score, factor):
    result = score(replace(MUG, title=title, query=query, product_category=path))
    assert result.title_score == title_score
    assert result.r_type == factor
    assert result.query_match == (query == "mugs")


@pytest.mark.parametrize(
    ("num_nouns", "query", "path", "factor"),
    [
        (4, "other", "", 1.0),  # title score 1/4
        (5, "other", "", 0.5),  # 1/5 is not above 0.2
        (5, "mugs", "", 1.0),
        (5, "other", "Cups › Home", 1.0),
        (5, "other", "Home › Garden", 0.5),  # one common category is too few
        (10, "other", "", 0.5),  # 1/10 is not below 0.1
        (11, "mugs", "", 0.1),
    ],
)
def test_thresholds_of_the_title(num_nouns, query, path, factor):
    words = " ".join(f"word{'abcdefghijk'[number]}" for number in range(num_nouns))
    goal = replace(GOAL, product=replace(MUG, title=words))
    bought = replace(MUG, title="worda", query=query, product_category=path)
    assert score(bought, goal=goal).r_type == factor


def test_repeated_nouns_of_the_goal_count_repeatedly():
    goal = replace(GOAL, product=replace(MUG, title="cup cup mug mug"))
    assert score(replace(MUG, title="cup"), goal=goal).title_score == 1 / 4


def test_a_goal_without_nouns_scores_a_fifth():
    goal = replace(GOAL, product=replace(MUG, title="the 12 blue"))
    assert score(goal=goal).title_score == 0.2


def test_a_goal_without_options_has_no_such_part():
    result = score(goal=replace(GOAL, options=()), options={})
    assert (result.r_option, result.w_option, result.reward) == (None, None, 1.0)


def test_values_are_compared_with_the_printed_pair_unless_that_is_fixed():
    goal = replace(GOAL, options=(("color", "r.brown137"),))
    chosen = {"color": "r.brown137"}  # normalised to "brown", which is not similar to the pair
    assert score(options=chosen, goal=goal).r_option == 0.0
    assert score(options=chosen, goal=goal, fix_option_match=True).r_option == 1.0
    assert score(options={"color": "red"}, goal=goal, fix_option_match=True).r_option == 0.0


def test_the_fix_lets_equal_values_without_words_match():
    goal = replace(GOAL, options=(("sign", "++"),))
    assert score(options={"sign": "++"}, goal=goal).r_option == 0.0
    assert score(options={"sign": "++"}, goal=goal, fix_option_match=True).r_option == 1.0


def test_human_goals_compare_colors_by_their_first_color_word():
    goal = replace(GOAL, options=("navy blue",))
    assert score(options={"color": "sky blue"}, goal=goal).r_option == 1.0
    assert score(options={"color": "navy"}, goal=goal).r_option == 0.0


def test_color_words_are_contained_in_text_but_equal_to_an_element_of_a_pair():
    assert len(COLOR_WORDS) == len(set(COLOR_WORDS)) == 102
    assert normalize_color("dark red") == "dark"  # the first in the list, not in the text
    assert normalize_color(("color", "dark red")) == ("color", "dark red")
    assert normalize_color(("color", "red")) == "red"
    assert normalize_color("12 inches") == "12 inches"


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("Red, Large", "large red", 100),
        ("large", ("size", "x-large"), 100),  # its words are among the other text's
        ("caf\xe9", "caf", 100),
        ("caf\u0151", "caf", 86),  # only characters 128 to 255 are dropped
        ("", "", 0),
        ("++", "++", 0),
        ("abcd", "abxy", 50),
    ],
)
def test_similarity_of_texts(first, second, ratio):
    assert token_set_ratio(first, second) == ratio


def test_taggers():
    assert noun_tagger("simple")("A Red Mug, 12oz Well-Made") == ("mug", "well", "made")
    assert noun_tagger(str.split)("A b") == ["A", "b"]
    with pytest.raises(ValueError, match="tagger must be 'simple'"):
        noun_tagger("nltk")


def no_model(model):
    raise OSError(f"Can't find model {model!r}.")


@pytest.mark.parametrize("spacy", [None, SimpleNamespace(load=no_model)])
def test_a_missing_spacy_or_model_is_an_error_that_names_the_fix(monkeypatch, spacy):
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    with pytest.raises(ImportError, match="python -m spacy download no_such_model; or set tagger"):
        noun_tagger("spacy:no_such_model")


def test_spacy_is_asked_for_nouns_and_proper_nouns(monkeypatch):
    tags = {"A": "DET", "Mug": "NOUN", "Acme": "PROPN", "runs": "VERB"}

    def parse(title):
        return [SimpleNamespace(text=word, pos_=tags[word]) for word in title.split()]

    loaded = []
    fake = SimpleNamespace(load=lambda model: loaded.append(model) or parse)
    monkeypatch.setitem(sys.modules, "spacy", fake)
    monkeypatch.setattr(nouns, "_spacy_nouns", nouns._spacy_nouns.__wrapped__)  # without its cache
    assert noun_tagger("spacy")("A Mug runs Acme") == ("mug", "acme")
    assert loaded == ["en_core_web_sm"]
