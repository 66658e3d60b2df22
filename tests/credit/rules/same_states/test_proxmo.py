"""ProxMO: a table by hand, a slow version, and its limits."""

import math
import statistics
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import episode_of, random_rows, task_of
from support.rows import GAMMA, Row, columns_of

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.rules import GiGPORule, ProxMORule
from rllib_gigpo.credit.text_similarity import tfidf_cosines
from rllib_gigpo.errors import ConfigError, MissingExtraError

TEXTS = ("red door 1", "red door 2", "a dark cellar", "2 2")


def test_cosines_of_texts_by_hand():
    # In three texts "red" appears twice: 1 + ln(4/3); "door" once: 1 + ln(4/2).
    twice, once = 1 + math.log(4 / 3), 1 + math.log(2)
    found = tfidf_cosines(["red door", "red 7", "cellar"])
    expected = twice**2 / (twice**2 + once**2)
    np.testing.assert_allclose(found, [[1, expected, 0], [expected, 1, 0], [0, 0, 1]], atol=1e-12)


def test_a_text_without_words_is_like_no_other():
    np.testing.assert_array_equal(tfidf_cosines(["", "a"]), np.eye(2))
    np.testing.assert_array_equal(tfidf_cosines(["", " "]), np.eye(2))


def test_two_similar_states_by_hand():
    rows = [Row(0, 0, 0, 1.0, "red door"), Row(0, 1, 0, 0.0, "red 7"), Row(0, 2, 0, 0.0, "red 7")]
    # In two texts "red" appears twice: 1 + ln(3/3); the others once: 1 + ln(3/2).
    cosine = 1 / (1 + (1 + math.log(1.5)) ** 2)
    near, far = math.exp(1 / 0.5), math.exp(cosine / 0.5)
    expected = [
        1 - near / (near + 2 * far),
        -far / (2 * near + far),
        -far / (2 * near + far),
    ]
    found = ProxMORule(temperature=0.5)(columns_of(rows))
    np.testing.assert_allclose(found.step, expected, rtol=1e-12)
    np.testing.assert_allclose(found.total - found.step, [2 / 3, -1 / 3, -1 / 3], rtol=1e-12)


def slow_cosines(texts):
    """TF-IDF with smoothed document frequencies, word by word."""
    words = [Counter(text.split()) for text in texts]
    frequency = Counter(word for one in words for word in one)
    vectors = [
        {w: n * (1 + math.log((1 + len(texts)) / (1 + frequency[w]))) for w, n in one.items()}
        for one in words
    ]
    norms = [math.sqrt(sum(x * x for x in vector.values())) for vector in vectors]
    return [
        [
            sum(a[w] * b.get(w, 0.0) for w in a) / (i * j)
            for b, j in zip(vectors, norms, strict=True)
        ]
        for a, i in zip(vectors, norms, strict=True)
    ]


def slow_step(rows, temperature):
    def discounted(row):
        rest = [r for r in episode_of(rows, row) if r.step >= row.step]
        return sum(GAMMA ** (r.step - row.step) * r.reward for r in rest) - row.penalty

    result = []
    for row in rows:
        task = task_of(rows, row)
        texts = sorted({r.anchor for r in task})
        cosines = slow_cosines(texts)[texts.index(row.anchor)]
        weights = [math.exp(cosines[texts.index(r.anchor)] / temperature) for r in task]
        mean = sum(w * discounted(r) for w, r in zip(weights, task, strict=True)) / sum(weights)
        result.append(discounted(row) - mean)
    return result


@given(rows=random_rows(anchors=TEXTS), temperature=st.sampled_from([0.1, 0.5, 2.0]))
def test_proxmo_is_the_slow_version(rows, temperature):
    found = ProxMORule(temperature=temperature)(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(found.step, slow_step(rows, temperature), rtol=1e-9, atol=1e-9)


@given(rows=random_rows(anchors=TEXTS))
def test_at_a_low_temperature_it_is_gigpo(rows):
    batch = columns_of(rows)
    found = ProxMORule(temperature=1e-3)(batch)
    np.testing.assert_allclose(found.total, GiGPORule()(batch).total, rtol=1e-9, atol=1e-9)


def test_at_a_high_temperature_all_steps_of_the_task_are_compared():
    rows = [Row(0, n, 0, float(n), text) for n, text in enumerate(TEXTS)]
    found = ProxMORule(temperature=1e9)(columns_of(rows)).step
    np.testing.assert_allclose(found, np.arange(4) - statistics.fmean(range(4)), atol=1e-6)


def test_without_recurring_states_similar_ones_are_still_compared():
    rows = [Row(0, 0, 0, 1.0, "red door 1"), Row(0, 1, 0, 0.0, "red door 2")]
    found = ProxMORule(temperature=0.5)(columns_of(rows))
    assert found.step[0] == pytest.approx(-found.step[1])
    assert 0.1 < found.step[0] < 0.5


def test_anchors_need_to_be_text():
    batch = columns_of([Row(0, 0, 0, 1.0, (1, 2)), Row(0, 1, 0, 0.0, (1, 2))])
    with pytest.raises(TypeError, match=r"Row 0: anchor \(1, 2\) of type tuple is not text"):
        ProxMORule()(batch)


def test_a_missing_package_is_told_at_the_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises((ConfigError, MissingExtraError), match=r"rllib-gigpo\[proxmo\]"):
        _ = GiGPOConfig().training(rule="proxmo").settings


def test_a_bad_temperature_is_refused():
    with pytest.raises(ConfigError, match=r"rule.temperature=0.0 must be above 0"):
        _ = GiGPOConfig().training(rule={"name": "proxmo", "temperature": 0.0}).settings
