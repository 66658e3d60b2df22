"""Variants by name: the five forms, and every mistake in one."""

from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError
from support.shapes import (
    CLASSES_ONLY,
    SHAPES,
    Drawing,
    FunctionShape,
    Ink,
    Mine,
    Plain,
    Rectangle,
    Square,
    Unchecked,
    blob,
)

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.registry import did_you_mean, option_names
from rllib_gigpo.options.section import sentences


def mistakes(**settings):
    with pytest.raises(ValidationError) as raised:
        Drawing(**settings)
    return list(sentences(raised.value, section=Drawing))


FORMS = {
    "name": "square",
    "path": "support.shapes:Square",
    "class": Square,
    "dict": {"name": "square"},
    "dict_of_class": {"name": Square},
    "dict_of_path": {"name": "support.shapes:Square"},
    "nameless_dict": {},
    "object": Square(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_forms_of_a_variant_are_the_same(form):
    assert SHAPES.build(form) == Drawing(shape=form).shape == Square()


@pytest.mark.parametrize("name", ["square", "support.shapes:Square", Square])
def test_a_dict_holds_the_options_beside_the_name(name):
    form = {"name": name, "side": 3.0, "ink": Ink(color="red")}
    built = Square(side=3.0, ink=Ink(color="red"))
    assert SHAPES.build(form) == Drawing(shape=form).shape == built


def test_what_was_given_is_not_changed():
    form = {"name": "square", "side": 3.0}
    SHAPES.build(form, {"scale": 2.0})
    assert form == {"name": "square", "side": 3.0}


@pytest.mark.parametrize("function", [blob, "support.shapes:blob"])
def test_a_function_is_wrapped_and_takes_the_options_of_what_wraps_it(function):
    assert SHAPES.build(function) == FunctionShape(blob)
    assert SHAPES.build({"name": function, "times": 3}).area() == 15.0
    with pytest.raises(ConfigError, match="no option 'time'; it has times; did you mean 'times'"):
        SHAPES.build({"name": function, "time": 3})


@pytest.mark.parametrize("function", [blob, "support.shapes:blob"])
def test_a_function_is_refused_where_only_classes_are_taken(function):
    with pytest.raises(
        ConfigError, match=r"solid=.* must be one of rectangle, square, or your own class;"
    ):
        CLASSES_ONLY.build(function)


def test_an_unknown_name_is_an_error_that_names_the_nearest_and_the_known_ones():
    with pytest.raises(ConfigError) as raised:
        SHAPES.build("sqare")
    assert str(raised.value) == (
        "shape='sqare' is unknown; use one of rectangle, square, or the import path of your own,"
        " 'package.module:name'; did you mean 'square'?"
    )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("support.nowhere:Square", "shape='support.nowhere:Square' cannot be imported: No module"),
        ("support.shapes:Circle", "shape='support.shapes:Circle' cannot be imported: .*'Circle'"),
        (":Square", "cannot be imported"),
        (
            "support.shapes:NUMBER",
            "shape=7 must be one of .* or your own class or function",
        ),
        (
            "support.shapes:Unchecked",
            "must be one of .*; derive a class from support.shapes.Shape",
        ),
        (dict, "must be one of"),
        (7, "shape=7 must be one of"),
        ({"name": None}, "shape=None must be one of"),
    ],
)
def test_what_is_no_variant_is_an_error(form, message):
    with pytest.raises(ConfigError, match=message):
        SHAPES.build(form)


def test_all_mistakes_of_one_dict_are_told_at_once():
    form = {"name": "square", "sid": 1.0, "colour": "red", "scale": 2.0, "side": 2.0}
    expected = [
        "shape: 'square' has no option 'sid'; it has side, rounded, ink; did you mean 'side'?",
        "shape: 'square' has no option 'colour'; it has side, rounded, ink",
        "shape: scale is a separate setting; set scale=... outside of it",
    ]
    with pytest.raises(ConfigError) as raised:
        SHAPES.build(form)
    assert str(raised.value).splitlines() == expected
    assert mistakes(shape=form) == expected


def test_an_option_of_another_variant_is_refused():
    with pytest.raises(ConfigError, match="'rectangle' has no option 'side'; it has width, height"):
        SHAPES.build({"name": "rectangle", "side": 1.0, "width": 1.0})


def test_settings_of_their_own_fill_the_fields_of_their_names():
    assert SHAPES.build("square", {"scale": 3.0, "unit": "cm"}) == Square(scale=3.0)
    assert SHAPES.build({"name": "rectangle", "width": 1.0}, {"scale": 3.0}) == Rectangle(width=1.0)
    assert SHAPES.build(Plain, {"scale": 3.0}).scale == 3.0
    assert Drawing(scale=3.0, shape={"side": 2.0}).shape.area() == 36.0


def test_an_object_is_filled_too_and_may_say_the_same_but_nothing_else():
    assert Drawing(scale=3.0, shape=Square(side=2.0)).shape == Square(side=2.0, scale=3.0)
    assert Drawing(scale=3.0, shape=Square(scale=3.0)).shape.scale == 3.0
    expected = ["shape: scale is a separate setting; set scale=... outside of it"]
    assert mistakes(scale=3.0, shape=Square(scale=2.0)) == expected
    assert mistakes(shape=Square(scale=2.0)) == expected


def test_an_object_that_is_no_dataclass_stays_as_it_is():
    ready = Plain(side=2.0)
    assert Drawing(scale=3.0, shape=ready).shape is ready
    assert ready.scale == 1.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"side": "2"}, ["shape.side='2' must be a number"]),
        ({"side": float("nan")}, ["shape.side=nan must be a finite number"]),
        ({"side": True}, ["shape.side=True must be a number"]),
        ({"rounded": "no"}, ["shape.rounded='no' must be True or False"]),
        ({"rounded": 0}, ["shape.rounded=0 must be True or False"]),
        ({"side": 0.0}, ["shape.side=0.0 must be above 0"]),
        ({"ink": {"color": "blue"}}, ["shape.ink.color='blue' is not one of 'black' or 'red'"]),
        ({"ink": {"opacity": 2.0}}, ["shape.ink.opacity=2.0 must be at most 1"]),
        ({"ink": {"opacity": "1"}}, ["shape.ink.opacity='1' must be a number"]),
        (
            {"side": "2", "rounded": 1},
            ["shape.side='2' must be a number", "shape.rounded=1 must be True or False"],
        ),
    ],
)
def test_a_section_checks_the_types_and_bounds_of_all_options(options, expected):
    assert mistakes(shape=options) == expected


def test_whole_numbers_will_do_for_numbers():
    assert Drawing(shape={"side": 2}).shape.side == 2.0


def test_an_option_without_default_has_to_be_given():
    (mistake,) = mistakes(shape="rectangle")
    assert "shape.width" in mistake
    assert "no default" in mistake


def test_a_type_that_pydantic_cannot_check_is_taken_as_it_is():
    part = Unchecked()
    built = Drawing(shape={"name": Mine, "part": part, "side": 2.0}).shape
    assert built == Mine(part=part, side=2.0)
    assert built.part is part
    (mistake,) = mistakes(shape={"name": Mine, "part": part, "sides": 2.0})
    assert mistake == "shape: 'mine' has no option 'sides'; it has part, side; did you mean 'side'?"


def test_mistakes_of_several_settings_are_told_together_and_each_once():
    assert mistakes(scale="1", shape="sqare", pen={"width": 0.0}) == [
        "scale='1' must be a number",
        "shape='sqare' is unknown; use one of rectangle, square, or the import path of your own,"
        " 'package.module:name'; did you mean 'square'?",
        "pen.width=0.0 must be above 0",
    ]


@dataclass
class Partly:
    one: int = 1
    two: int = field(default=2, init=False)


def test_options_are_what_may_be_given():
    assert option_names(Partly) == ("one",)
    assert option_names(Plain) == ("side", "scale")
    assert option_names(lambda one, *rest, two=2, **others: None) == ("one", "two")
    assert option_names(SHAPES.find(blob)) == ("times",)


def test_only_names_that_are_near_are_meant():
    assert did_you_mean("gamm", ["gamma", "lr"]) == "; did you mean 'gamma'?"
    assert did_you_mean("sizes", ["size", "sized"]) == "; did you mean 'size' or 'sized'?"
    assert did_you_mean("xyz", ["gamma", "lr"]) == ""
    assert did_you_mean("sizes", ["size", "sized"], most=1) == "; did you mean 'size'?"
