"""What of ``info`` a server sends, and how anchors become text."""

import numpy as np
import pytest

from rllib_gigpo.envs.open_env.server.json_info import anchor_text, split_info

ANCHORS = [
    "a",
    ("a",),
    ("a", "b"),
    (("a",), "b"),
    ("ab",),
    "('a',)",
    b"a",
    1,
    1.5,
    None,
    frozenset(["a", "b"]),
    ("1",),
    (1,),
    (1, 2),
    (12,),
]


def test_different_anchors_have_different_texts():
    texts = [anchor_text(anchor) for anchor in ANCHORS]
    assert len(set(texts)) == len(ANCHORS)
    assert texts[0] == "a"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (True, 1),
        ((np.int64(3), "x"), (3, "x")),
        (frozenset(["x", "y", "z"]), frozenset(["z", "y", "x"])),
        (b"ab", np.array([97, 98], np.uint8).tobytes()),
    ],
)
def test_equal_anchors_have_equal_texts(one, other):
    assert one == other
    assert anchor_text(one) == anchor_text(other)


def test_an_anchor_that_only_has_an_identity_is_refused():
    with pytest.raises(TypeError, match=r"cannot be written as text\. Use text, a number"):
        anchor_text((1, object()))


def test_prompts_keys_are_observed_and_the_rest_is_metadata():
    info = {"task": "t", "won": True, "anchor": (1,), "data_files": ["/secret"], "own": 3}
    seen, metadata = split_info(info)
    assert seen == {"task": "t"}
    assert metadata == {"won": True, "anchor": anchor_text((1,))}
