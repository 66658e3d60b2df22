import builtins
import sys
from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Indel
from support import own_rules

from rllib_gigpo.credit.anchors import ANCHORS, SimilarAnchors, similar_anchor_groups
from rllib_gigpo.errors import MissingExtraError


def longest_common_subsequence(a, b):
    lengths = [0] * (len(b) + 1)
    for x in a:
        previous = lengths.copy()
        for j, y in enumerate(b):
            lengths[j + 1] = previous[j] + 1 if x == y else max(lengths[j], previous[j + 1])
    return lengths[-1]


def indel(text, founder):
    length = len(text) + len(founder)
    return 2 * longest_common_subsequence(text, founder) / length if length else 1.0


def difflib_ratio(text, founder):
    return SequenceMatcher(None, text, founder).ratio()


REFERENCES = {"indel": indel, "difflib": difflib_ratio}


def first_fit(rows, ratio, threshold):
    """Cluster by brute force: every row against every founder, in (trajectory, step) order."""
    clusters = []
    for group, trajectory, step, text in sorted(rows, key=lambda row: row[1:3]):
        for cluster in clusters:
            if cluster[0][0] == group and REFERENCES[ratio](text, cluster[0][3]) >= threshold:
                cluster.append((group, trajectory, step, text))
                break
        else:
            clusters.append([(group, trajectory, step, text)])
    return {frozenset(cluster) for cluster in clusters}


def found(rows, ratio, threshold):
    groups, trajectories, steps = (np.array([row[i] for row in rows]) for i in range(3))
    labels = similar_anchor_groups(
        [row[3] for row in rows], groups, trajectories, steps, threshold=threshold, ratio=ratio
    )
    clusters = {}
    for row, label in zip(rows, labels.tolist(), strict=True):
        clusters.setdefault(label, set()).add(row)
    return {frozenset(cluster) for cluster in clusters.values()}


TEXTS = st.lists(st.text("abc", max_size=8), min_size=1, max_size=14)


@pytest.mark.parametrize("ratio", ["indel", "difflib"])
@given(
    texts=TEXTS,
    threshold=st.sampled_from([0.3, 0.5, 0.6, 2 / 3, 0.8, 0.9]),
    random=st.randoms(use_true_random=False),
)
def test_clusters_are_those_of_brute_force_in_any_row_order(ratio, texts, threshold, random):
    rows = [(i % 2, i % 6, i // 6, text) for i, text in enumerate(texts)]
    random.shuffle(rows)
    assert found(rows, ratio, threshold) == first_fit(rows, ratio, threshold)


WORDS = [
    "you",
    "are",
    "in",
    "the",
    "kitchen",
    "a",
    "table",
    "with",
    "apple",
    "north",
    "of",
    "\ud83c",
]


@settings(max_examples=150)
@given(
    threshold=st.sampled_from([0.6, 0.75, 0.8, 0.9, 0.95]),
    random=st.randoms(use_true_random=False),
)
def test_the_bounds_lose_no_match_of_long_texts(threshold, random):
    """The texts are long enough for all bounds: on lengths, histograms and beginnings."""
    bases = [" ".join(random.choices(WORDS, k=random.randint(40, 120))) for _ in range(4)]
    texts = []
    for _ in range(24):
        text = list(random.choice(bases))
        for _ in range(random.choice([0, 3, 20, 60])):
            place = random.randrange(len(text))
            text[place : place + random.choice([0, 1, 1, 3])] = random.choices("abc ", k=1)
        if random.random() < 0.3:  # only the beginning differs
            text[: random.randint(0, 60)] = []
        texts.append("".join(text))
    rows = [(0, 0, i, text) for i, text in enumerate(texts)]
    expected, clusters = {}, []
    for row in rows:
        for cluster in clusters:
            if Indel.normalized_similarity(cluster, row[3]) >= threshold - 1e-12:
                expected.setdefault(cluster, set()).add(row)
                break
        else:
            clusters.append(row[3])
            expected.setdefault(row[3], set()).add(row)
    assert found(rows, "indel", threshold) == {frozenset(rows) for rows in expected.values()}


@pytest.mark.parametrize("ratio", ["indel", "difflib"])
def test_a_ratio_of_exactly_the_threshold_is_similar(ratio):
    # 9 of 10 characters in common on both sides: 18 / 20 = 0.9.
    rows = [(0, 0, 0, "abcdefghij"), (0, 1, 0, "abcdefghiX")]
    assert len(found(rows, ratio, 0.9)) == 1
    assert len(found(rows, ratio, 0.900001)) == 2


def test_a_text_is_compared_with_the_founder_only():
    # b is similar to a and c to b, but c is not similar to a.
    rows = [(0, 0, 0, "aaaa"), (0, 0, 1, "aaab"), (0, 0, 2, "aabb")]
    assert found(rows, "indel", 0.75) == {frozenset(rows[:2]), frozenset(rows[2:])}


def test_the_canonical_order_decides_who_founds_even_if_rows_arrive_reversed():
    rows = [(0, 0, 0, "aaaa"), (0, 0, 1, "aaab"), (0, 0, 2, "aabb")]
    assert found(rows[::-1], "indel", 0.75) == found(rows, "indel", 0.75)


def test_similar_states_of_different_tasks_are_kept_apart():
    rows = [(0, 0, 0, "room"), (1, 1, 0, "room")]
    assert len(found(rows, "indel", 0.5)) == 2


def test_states_with_different_images_are_never_similar():
    said = "You stand in a long hall with many doors. " * 8
    one, other = (f"{said}⟦image {digit * 32}⟧" for digit in "ab")
    assert indel(one, other) > 0.9
    assert len(found([(0, 0, 0, one), (0, 1, 0, other)], "indel", 0.9)) == 2
    assert len(found([(0, 0, 0, one), (0, 1, 0, f"{one}.")], "indel", 0.9)) == 1


def test_anchors_that_are_not_text_are_refused_with_their_row():
    ids = np.zeros(2, dtype=np.int64)
    with pytest.raises(TypeError, match="Row 1: anchor 5 of type int is not text"):
        similar_anchor_groups(["a", 5], ids, ids, np.arange(2), threshold=0.5)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold):
    ids = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="threshold="):
        similar_anchor_groups(["a"], ids, ids, ids, threshold=threshold)


def test_an_unknown_ratio_is_refused():
    with pytest.raises(ValueError, match="ratio='cosine'"):
        SimilarAnchors(ratio="cosine")


def test_without_rapidfuzz_the_error_names_the_extra_and_difflib_still_works(monkeypatch):
    real_import = builtins.__import__

    def without_rapidfuzz(name, *args, **kwargs):
        if name.startswith("rapidfuzz"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    for module in [name for name in sys.modules if name.startswith("rapidfuzz")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_rapidfuzz)
    rows = [(0, 0, 0, "room"), (0, 1, 0, "rooms")]
    with pytest.raises(MissingExtraError, match=r'pip install "rllib-gigpo\[similar\]"'):
        found(rows, "indel", 0.8)
    assert len(found(rows, "difflib", 0.8)) == 1


def test_a_ratio_of_ones_own_groups_by_itself_and_by_its_path():
    rows = [(0, 0, 0, "room one"), (0, 0, 1, "room two"), (0, 1, 0, "hall one")]
    expected = {frozenset(rows[:2]), frozenset(rows[2:])}
    assert found(rows, own_rules.same_first_word, 0.5) == expected
    assert found(rows, "support.own_rules:same_first_word", 0.5) == expected


def test_a_key_of_ones_own_stands_in_the_place_of_the_anchor():
    ids = np.arange(3)
    zeros = np.zeros(3, dtype=np.int64)
    for key in (own_rules.first_words, "support.own_rules:first_words"):
        labels = ANCHORS.build(key)(["b x", "a y", "b z"], zeros, zeros, ids)
        assert labels[0] == labels[2] != labels[1]


@pytest.mark.parametrize("key", [own_rules.first_words, "support.own_rules:first_words"])
def test_a_key_of_ones_own_can_count_first_visits_only(key):
    match = ANCHORS.build({"name": key, "within_trajectory": False})
    zeros = np.zeros(3, dtype=np.int64)
    labels = match(["b x", "b y", "b z"], zeros, np.array([0, 0, 1]), np.array([0, 1, 0]))
    assert labels[0] == labels[2] != labels[1]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fuzzy", "anchor='fuzzy' is unknown; use one of exact, similar"),
        ("nowhere:key", "cannot be imported"),
        ("support.own_rules:columns", "must be one of .*AnchorMatch"),
        ({"name": "exact", "threshold": 0.9}, "'exact' has no option 'threshold'"),
        ({"name": own_rules.first_words, "ratio": "indel"}, "no option 'ratio'"),
    ],
)
def test_an_anchor_setting_that_names_nothing_is_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        ANCHORS.build(spec)
