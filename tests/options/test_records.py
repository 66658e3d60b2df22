"""Records of options: bounds, and the values that a section accepts."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from support.shapes import Drawing, Ink, Pen

from rllib_gigpo.options.records import is_options, require
from rllib_gigpo.options.section import sentences


@pytest.mark.parametrize(
    ("bound", "inside", "outside", "word"),
    [
        ("> 0", 0.1, 0, "above 0"),
        (">= 1", 1, 0, "at least 1"),
        ("< 1", 0.9, 1, "below 1"),
        ("<= 1", 1, 1.5, "at most 1"),
    ],
)
def test_a_number_out_of_its_bound_is_refused_with_both(bound, inside, outside, word):
    require(SimpleNamespace(size=inside), size=bound)
    with pytest.raises(ValueError, match=f"^size={outside} must be {word}$"):
        require(SimpleNamespace(size=outside), size=bound)


def test_none_has_no_bounds():
    require(SimpleNamespace(size=None), size="> 0, <= 1")


def test_both_bounds_of_a_number_hold():
    for size, word in ((0.0, "above 0"), (1.5, "at most 1")):
        with pytest.raises(ValueError, match=f"size={size} must be {word}"):
            require(SimpleNamespace(size=size), size="> 0, <= 1")


def test_all_numbers_out_of_bounds_are_named_at_once():
    with pytest.raises(ValueError, match="one=-1 must be above 0; three=9 must be below 5"):
        require(SimpleNamespace(one=-1, two=2, three=9), one="> 0", two="> 0", three="< 5")


def test_what_is_no_number_lies_in_no_bounds():
    with pytest.raises(ValueError, match="size=nan must be above 0"):
        require(SimpleNamespace(size=float("nan")), size="> 0")


def test_text_and_true_are_short_for_options():
    assert Pen.expanded("flat") == {"tip": "flat"}
    assert Pen.expanded(True) == {}
    assert Ink.expanded(True) is True
    for other in ({"width": 2.0}, None, False, 5):
        assert Pen.expanded(other) is other
    assert Pen.expanded(Pen(width=2.0)) == {
        "tip": "round",
        "width": 2.0,
        "num_strokes": 1,
        "ink": None,
    }
    assert Ink.expanded("red") == "red"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Pen()),
        (True, Pen()),
        ("flat", Pen(tip="flat")),
        ({"tip": "flat", "width": 2}, Pen(tip="flat", width=2.0)),
        ({"ink": {"color": "red"}}, Pen(ink=Ink(color="red"))),
        (Pen(width=3.0), Pen(width=3.0)),
    ],
)
def test_a_section_reads_a_record_from_all_that_stands_for_it(given, expected):
    assert Drawing(pen=given).pen == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pen": {"widht": 1.0}}, ["pen.widht is not an option; did you mean 'width'?"]),
        (
            {"pen": {"xyz": 1.0}},
            ["pen.xyz is not an option; use one of tip, width, num_strokes, ink"],
        ),
        ({"pen": "sharp"}, ["pen.tip='sharp' is not one of 'round' or 'flat'"]),
        ({"pen": {"num_strokes": "2"}}, ["pen.num_strokes='2' must be a whole number"]),
        ({"pen": {"num_strokes": 2.0}}, ["pen.num_strokes=2.0 must be a whole number"]),
        ({"pen": {"width": float("inf")}}, ["pen.width=inf must be a finite number"]),
        (
            {"pen": {"ink": {"color": "blue"}}},
            ["pen.ink.color='blue' is not one of"],
        ),
        ({"pen": 5}, ["pen=5 must be a dict of its options"]),
        ({"pen": None}, ["pen=None must be a dict of its options"]),
        ({"paper": "red"}, ["paper='red' must be a dict of its options or None"]),
        ({"paper": {"opacity": 0.0}}, ["paper.opacity=0.0 must be above 0"]),
        (
            {"pen": {"width": "1", "num_strokes": True, "colour": 1}},
            ["pen.width='1'", "pen.num_strokes=True", "pen.colour is not an option"],
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_told_with_its_place(settings, expected):
    with pytest.raises(ValidationError) as raised:
        Drawing(**settings)
    found = list(sentences(raised.value, section=Drawing))
    assert [one[: len(start)] for one, start in zip(found, expected, strict=True)] == expected


def test_options_that_tune_searches_over_are_no_options():
    assert is_options({})
    assert is_options({"width": {"grid_search": [1.0, 2.0]}})
    assert not is_options({"grid_search": ["round", "flat"]})
    assert not is_options("flat")
    assert not is_options(None)
