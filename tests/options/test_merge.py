"""Merging: new options of a nested setting, and what happens to the others."""

import pytest
from support.shapes import Drawing, Ink, Pen, Rectangle, Square, blob

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.merge import merged

SHAPE, PEN, SCALE = (Drawing.model_fields[name] for name in ("shape", "pen", "scale"))


@pytest.mark.parametrize(
    ("standing", "new", "expected"),
    [
        ("square", {"side": 2.0}, {"name": "square", "side": 2.0}),
        (Square, {"side": 2.0}, {"name": Square, "side": 2.0}),
        ({"name": "square", "side": 2.0}, {"rounded": True}, {"side": 2.0, "rounded": True}),
        ({"name": "square", "side": 2.0}, {"side": 3.0}, {"side": 3.0}),
        # A dict without a name means the first variant.
        ({"side": 2.0}, {"rounded": True}, {"side": 2.0, "rounded": True}),
        ({"side": 2.0}, {"name": "square", "rounded": True}, {"side": 2.0, "rounded": True}),
        # The same variant, in different forms.
        (Square, {"name": "square", "side": 2.0}, {"side": 2.0}),
        ("square", {"name": Square, "side": 2.0}, {"side": 2.0}),
        (blob, {"times": 3}, {"name": blob, "times": 3}),
    ],
)
def test_options_join_those_of_the_same_variant(standing, new, expected):
    found = merged(SHAPE, standing, new)
    assert {**found, **expected} == found
    assert found.keys() == {"name", *expected}
    Drawing(shape=found)


@pytest.mark.parametrize("new", [{"rounded": True}, {"name": "square", "rounded": True}])
def test_options_join_those_of_an_object(new):
    standing = Square(side=2.0, ink=Ink(color="red"))
    found = merged(SHAPE, standing, new)
    assert "scale" not in found
    assert Drawing(shape=found).shape == Square(side=2.0, ink=Ink(color="red"), rounded=True)
    with pytest.raises(ConfigError, match="shape: scale is a separate setting"):
        merged(SHAPE, Square(scale=5.0), new)  # the scale would be lost


@pytest.mark.parametrize(
    "new",
    [
        "square",
        Square,
        Square(side=3.0),
        None,
        {"name": "rectangle", "width": 1.0},
        {"name": Rectangle, "width": 1.0},
        {"name": "support.shapes:Plain"},
    ],
)
def test_another_name_and_all_that_is_no_dict_take_the_place_of_the_options(new):
    assert merged(SHAPE, {"name": "square", "side": 2.0}, new) == new


def test_nested_options_are_merged_too():
    standing = {"name": "square", "side": 2.0, "ink": {"color": "red"}}
    found = merged(SHAPE, standing, {"ink": {"opacity": 0.5}})
    assert found == {**standing, "ink": {"color": "red", "opacity": 0.5}}
    assert merged(SHAPE, standing, {"ink": None}) == {**standing, "ink": None}
    ready = {"name": "square", "ink": Ink(color="red")}
    found = merged(SHAPE, ready, {"ink": {"opacity": 0.5}})
    assert Drawing(shape=found).shape.ink == Ink(color="red", opacity=0.5)


@pytest.mark.parametrize(
    ("standing", "new", "expected"),
    [
        ({}, {"width": 2.0}, Pen(width=2.0)),
        ("flat", {"width": 2.0}, Pen(tip="flat", width=2.0)),
        ({"width": 2.0}, {"tip": "flat"}, Pen(tip="flat", width=2.0)),
        ({"width": 2.0}, "flat", Pen(tip="flat")),
        (Pen(width=2.0), {"num_strokes": 3}, Pen(width=2.0, num_strokes=3)),
        ({"width": 2.0}, Pen(tip="flat"), Pen(tip="flat")),
        (
            Pen(ink=Ink(color="red")),
            {"ink": {"opacity": 0.5}},
            Pen(ink=Ink(color="red", opacity=0.5)),
        ),
        (None, {"width": 2.0}, Pen(width=2.0)),
    ],
)
def test_records_are_merged_without_names(standing, new, expected):
    assert Drawing(pen=merged(PEN, standing, new)).pen == expected


def test_what_is_merged_is_not_changed():
    standing, new = {"name": "square", "ink": {"color": "red"}}, {"ink": {"opacity": 0.5}}
    merged(SHAPE, standing, new)
    assert standing == {"name": "square", "ink": {"color": "red"}}
    assert new == {"ink": {"opacity": 0.5}}


SEARCH = {"grid_search": ["square", "rectangle"]}


def test_a_search_takes_the_place_of_options_and_options_that_of_a_search():
    assert merged(SHAPE, {"name": "square", "side": 2.0}, SEARCH) is SEARCH
    assert merged(PEN, {"width": 2.0}, SEARCH) is SEARCH
    for new in ({"name": "square"}, {"side": 2.0}):
        assert merged(SHAPE, SEARCH, new) == new
    assert merged(PEN, SEARCH, {"width": 2.0}) == {"width": 2.0}


def test_a_search_inside_of_options_passes_untouched():
    found = merged(SHAPE, {"side": 2.0}, {"rounded": {"grid_search": [True, False]}})
    assert found["rounded"] == {"grid_search": [True, False]}
    inks = {"grid_search": [None, {"color": "red"}]}
    standing = {"name": "square", "ink": {"color": "red"}}
    assert merged(SHAPE, standing, {"ink": inks})["ink"] is inks
    searched = {"name": "square", "ink": inks}
    assert merged(SHAPE, searched, {"ink": {"opacity": 0.5}})["ink"] == {"opacity": 0.5}


def test_settings_that_are_neither_variants_nor_records_are_replaced():
    assert merged(SCALE, {"a": 1}, {"b": 2}) == {"b": 2}
    assert merged(SCALE, 1.0, 2.0) == 2.0


def test_a_config_merges_dicts_in_dicts():
    config = GiGPOConfig().training(
        penalties={"format": 0.1, "overlong": {"buffer_tokens": 16}},
        rule={"name": "step_reinforce", "reward_normalization": {"method": "mean_std"}},
    )
    config.training(penalties={"overlong": {"weight": 2.0}})
    config.update_from_dict({"rule": {"reward_normalization": {"grouping": "batch"}}})
    assert config.penalties == {"format": 0.1, "overlong": {"buffer_tokens": 16, "weight": 2.0}}
    assert config.rule == {
        "name": "step_reinforce",
        "reward_normalization": {"method": "mean_std", "grouping": "batch"},
    }
