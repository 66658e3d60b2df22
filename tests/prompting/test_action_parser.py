"""The action parser: a table of responses, and formatting as its inverse."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import ActionParser, ParsedAction

ACTIONS = ["go east", "take coin"]
INVALID = ParsedAction(action="", is_format_valid=False, is_admissible=False)


def valid(action, *, is_admissible=True):
    return ParsedAction(action=action, is_format_valid=True, is_admissible=is_admissible)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<action>go east</action>", valid("go east")),
        ("<think>East it is.</think><action>go east</action>", valid("go east")),
        ("<think></think>\n<action>\n go east \n</action>\n", valid("go east")),
        ("So I say <action>go east</action> now.", valid("go east")),
        # A chat template may open the thought in the prompt.
        ("East it is.</think><action>go east</action>", valid("go east")),
        # An action inside a thought does not count.
        ("<think>or <action>go up</action>?</think><action>go east</action>", valid("go east")),
        ("<think>a</think><think>b</think><action>go east</action>", valid("go east")),
        # Case and whitespace do not matter; the result has the environment's spelling.
        ("<action>Go   EAST</action>", valid("go east")),
        ("<action>fly</action>", valid("fly", is_admissible=False)),
        ("<action>go east</action><action>take coin</action>", INVALID),
        ("<action></action>", INVALID),
        ("<action>  </action>", INVALID),
        ("<action>go east", INVALID),
        ("go east", INVALID),
        ("", INVALID),
        ("<think>or <action>go east</action>", INVALID),
        ("<think><action>go east</action></think>", INVALID),
        ("<action>go east</action><think>Done", INVALID),
        ("<ACTION>go east</ACTION>", INVALID),
    ],
)
def test_tagged_responses(response, expected):
    assert ActionParser().parse(response, ACTIONS) == expected


@pytest.mark.parametrize(
    ("response", "is_admissible"),
    [
        ("search[red  Shoes]", True),
        ("SEARCH[red shoes]", True),
        ("search[<your query>]", True),
        ("click[< prev]", True),
        ("search[]", False),
        ("search[red shoes", False),
        ("please search[red shoes]", False),
        ("click[< previous]", False),  # a single bracket is not a placeholder
        ("click[buy now]", False),
    ],
)
def test_a_placeholder_admits_any_text(response, is_admissible):
    actions = ["search[<your query>]", "click[< prev]", "click[next >]"]
    parsed = ActionParser(action_tag=None).parse(response, actions)
    assert parsed == valid(response, is_admissible=is_admissible)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("go east", valid("go east")),
        (" go east\n", valid("go east")),
        ("Go East", valid("go east")),
        ("go east go east", valid("go east go east", is_admissible=False)),
        ("", INVALID),
        (" \n", INVALID),
    ],
)
def test_bare_responses(response, expected):
    parser = ActionParser(action_tag=None, think_tag=None)
    assert parser.parse(response, ACTIONS) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>a</think><action>go east</action>", valid("go east")),
        ("a</think><action>go east</action>", valid("go east")),
        ("<action>go east</action>", INVALID),
        ("<action>go east</action><think>a</think>", INVALID),
    ],
)
def test_a_required_thought_must_come_before_the_action(response, expected):
    assert ActionParser(require_think=True).parse(response, ACTIONS) == expected


def test_without_admissible_actions_every_action_passes():
    assert ActionParser().parse("<action>fly</action>", None) == valid("fly")


def test_with_an_empty_list_of_admissible_actions_none_passes():
    assert ActionParser().parse("<action>fly</action>", []) == valid("fly", is_admissible=False)


def test_tags_are_settings():
    parser = ActionParser(action_tag="code", think_tag="plan")
    assert parser.parse("<plan>a</plan><code>x = 1\ny = 2</code>", None) == valid("x = 1\ny = 2")


def test_an_exact_match_is_preferred_to_one_that_differs_in_case():
    parser = ActionParser(action_tag=None)
    assert parser.parse("Open A", ["open a", "Open A"]) == valid("Open A")


@given(
    action=st.text(st.characters(exclude_characters="<>"), min_size=1).filter(str.strip),
    action_tag=st.sampled_from([None, "action"]),
    require_think=st.booleans(),
)
def test_a_formatted_action_is_read_back(action, action_tag, require_think):
    parser = ActionParser(action_tag=action_tag, require_think=require_think)
    assert parser.parse(parser.format(action), None) == valid(action.strip())


pieces = st.sampled_from(["<think>", "</think>", "<action>", "</action>", "x", " "])


@given(response=st.lists(pieces).map("".join))
def test_no_response_is_an_exception(response):
    parsed = ActionParser().parse(response, ["x"])
    assert parsed.is_format_valid == bool(parsed.action)


@pytest.mark.parametrize("tag", ["<action>", "", "an action"])
def test_a_tag_that_is_no_word_is_an_error(tag):
    with pytest.raises(ConfigError, match="action_tag"):
        ActionParser(action_tag=tag)


def test_a_required_thought_without_a_tag_is_an_error():
    with pytest.raises(ConfigError, match="require_think"):
        ActionParser(think_tag=None, require_think=True)


@pytest.mark.fault("case 15", promise="Long actions with many placeholders cost microseconds.")
def test_odd_lists_of_actions_take_no_time():
    parser = ActionParser(action_tag=None, think_tag=None)
    odd = ["<a b>" * 30 + "c", "<q q> a " * 30 + "z", "<" + "a " * 300_000]
    start = time.perf_counter()
    assert not parser.parse("a " * 500 + "b", odd).is_admissible
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("action", "known", "fits"),
    [
        ("search[x]", "search[<your query>]", True),
        ("search[]", "search[<your query>]", False),
        ("put a b in c", "put <the thing> in <the place>", True),
        ("put in c", "put <the thing> in <the place>", False),
        ("ab", "<x y><x y>", True),
        ("a", "<x y><x y>", False),
        ("aba", "<x y>a", True),
        ("a", "<x y>a", False),
        ("aa", "a<x y>a", False),
        ("aaa", "a<x y>a", True),
        ("b a c a", "<x y> a <x y> a", True),
        ("a", "<xy>", False),
    ],
)
def test_each_placeholder_takes_at_least_one_character(action, known, fits):
    parser = ActionParser(action_tag=None, think_tag=None)
    assert parser.parse(action, [known]).is_admissible == fits
