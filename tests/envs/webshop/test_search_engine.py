"""Lucene's analyzer and BM25: numbers computed by hand, and Lucene's published tables."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.webshop.search.analyzer import analyze
from rllib_gigpo.envs.webshop.search.lucene_index import LuceneIndex, decode_length, encode_length
from rllib_gigpo.envs.webshop.search.search_engine import document_text
from rllib_gigpo.envs.webshop.shop import ShopSettings, open_shop

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)


@pytest.fixture(scope="module")
def shop():
    return open_shop(ShopSettings())


def found_asins(shop, query):
    return [product.asin for product in shop.engine.search(query, random.Random(0))]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Men's T-Shirts", "men t shirt"),
        ("it\u2019s a 3.5 inch, 1,000 count U.S.A. wi-fi", "3.5 inch 1,000 count u.s.a wi fi"),
        ("snake_case a:b 5:6 end. \xbd", "snake_cas a:b 5 6 end"),
        ("relational conditional", "relat condit"),  # examples from Porter's paper
        ("us up", "us up"),  # two letters are not stemmed
        ("technology technological geology", "technolog technolog geologi"),
        ("possibly possible nobly", "possibl possibl nobli"),
        ("\u65e5\u672c\u30c6\u30b9 caf\xe9", "\u65e5 \u672c \u30c6\u30b9 caf\xe9"),
        ("great \U0001f600 !!! ___", "great \U0001f600"),
        ("", ""),
    ],
)
def test_text_becomes_lucenes_terms(text, terms):
    assert analyze(text) == terms.split()


def test_lengths_survive_one_byte_as_in_lucenes_table():
    kept = [decode_length(code) for code in range(256)]
    assert kept[:40] == list(range(40))
    assert kept[40:52] == [40, 42, 44, 46, 48, 50, 52, 54, 56, 60, 64, 68]
    assert kept[255] == 2013265944  # the last entry of Lucene's length table
    assert kept == sorted(set(kept))


@PROPERTY
@given(st.integers(0, 2**31 - 1))
def test_a_length_is_rounded_down_by_less_than_an_eighth(length):
    code = encode_length(length)
    assert 0 <= code <= 255
    assert decode_length(code) <= length < decode_length(code) * 9 / 8 + 1
    assert encode_length(decode_length(code)) == code


def test_scores_are_those_worked_by_hand():
    # 3 documents of 2, 3 and 3 terms (mean 8/3); "red" is in two of them: idf ln(1 + 1.5 / 2.5).
    index = LuceneIndex(["red shoes", "red red hats", "blue coats warm"])
    idf = math.log(1.6)
    assert index.search("the red", num_results=5) == [
        (1, pytest.approx(idf * 2 / (2 + 0.945))),  # 0.9 * (0.6 + 0.4 * 3 / (8/3)) = 0.945
        (0, pytest.approx(idf * 1 / (1 + 0.81))),  # 0.9 * (0.6 + 0.4 * 2 / (8/3)) = 0.81
    ]
    twice = index.search("red reds", num_results=1)
    assert twice == [(1, pytest.approx(2 * idf * 2 / 2.945))]  # a repeated word counts twice


def test_the_rounded_length_counts_and_the_exact_mean():
    filler = [f"w{number}" for number in range(60)]
    index = LuceneIndex([" ".join(["red", *filler[:40]]), " ".join(filler[:9])])
    # A length of 41 terms is stored as 40; the mean of 41 and 9 is 25.
    score = math.log(1 + 1.5 / 1.5) / (1 + 0.9 * (0.6 + 0.4 * 40 / 25))
    assert index.search("red", num_results=1) == [(0, pytest.approx(score, rel=1e-12))]


def test_ties_go_to_the_earlier_document_and_only_hits_are_listed():
    index = LuceneIndex(["blue", *["red hat"] * 4, "green"])
    assert [number for number, _ in index.search("red", num_results=3)] == [1, 2, 3]
    assert index.search("unknown words", num_results=3) == []
    assert LuceneIndex([]).search("red", num_results=3) == []
    assert LuceneIndex([""]).search("red", num_results=3) == []


def test_a_document_holds_title_description_first_feature_and_options(shop):
    product = shop.catalogue.products[0]
    text = document_text(product)
    assert text == text.lower()
    assert text.startswith(f"{product.title} {product.description} {product.bullets[0]} ".lower())
    assert text.endswith(", and ".join(f"{k}: {', '.join(v)}" for k, v in product.options.items()))


def test_at_most_fifty_products_are_found(shop):
    assert len(found_asins(shop, "small medium large pack")) == 50


def test_special_queries(shop):
    products = shop.catalogue.products
    assert found_asins(shop, "<q> polo shirts") == [
        p.asin for p in products if p.query == "polo shirts"
    ]
    assert found_asins(shop, "<c> beauty") == [p.asin for p in products if p.category == "beauty"]
    assert found_asins(shop, "<a> machine wash") == [
        p.asin for p in products if "machine wash" in p.attributes
    ]
    drawn = found_asins(shop, "<r>")
    assert len(set(drawn)) == 50
    assert drawn == found_asins(shop, "<r> the rest is ignored")
    for query in (
        "<c>",
        "<a>",
        "<q>",
        "<c> nothing",
        "<a> nothing",
        "<q> nothing",
        "<q> polo",
        "<q> polo shirts x",
    ):
        assert found_asins(shop, query) == []
