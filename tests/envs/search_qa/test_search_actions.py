import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.search_qa.search_actions import (
    InvalidAction,
    SearchAction,
    format_action,
    parse_action,
)

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=100)
PIECES = [
    "<search>",
    "</search>",
    "<answer>",
    "</answer>",
    "search:",
    "answer :",
    "x",
    "\n",
    "\x00",
]


@pytest.mark.parametrize(
    ("text", "kind", "inner"),
    [
        ("<search>Lena Moor</search>", "search", "Lena Moor"),
        ("I look it up. <search> Lena\nMoor </search> Done.", "search", "Lena\nMoor"),
        ("<answer>Velden</answer>", "answer", "Velden"),
        ("<ANSWER>Velden</Answer>", "answer", "Velden"),
        ("<answer>a < b</answer>", "answer", "a < b"),
        ("<search>a</search></search>", "search", "a"),
        ("search: Lena Moor", "search", "Lena Moor"),
        (" Answer :Velden\n", "answer", "Velden"),
        ("answer: search: x", "answer", "search: x"),
        ("search: <answer>Velden</answer>", "answer", "Velden"),
    ],
)
def test_actions_that_are_understood(text, kind, inner):
    assert parse_action(text) == SearchAction(kind, inner)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<search>a</search><answer>b</answer>", "one search or one answer"),
        ("<search>a</search> <search>b</search>", "one search or one answer"),
        ("<answer>a</answer><answer>a</answer>", "one search or one answer"),
        ("<search><answer>a</answer></search>", "one search or one answer"),
        ("<search>a", "<search> is not closed"),
        ("</search>a<search>", "<search> is not closed"),
        ("<search>a</answer>", "<search> is not closed"),
        ("<search> \n</search>", "search is empty"),
        ("answer:", "answer is empty"),
        ("", "Not understood"),
        ("Lena Moor", "Not understood"),
        ("research: x", "Not understood"),
    ],
)
def test_other_texts_are_answered_in_words(text, complaint):
    parsed = parse_action(text)
    assert isinstance(parsed, InvalidAction)
    assert complaint in parsed.complaint
    assert "<search>" in parsed.complaint


@QUICK
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=12))
def test_any_text_is_an_action_or_a_complaint(pieces):
    text = "".join(pieces)
    parsed = parse_action(text)
    if isinstance(parsed, SearchAction):
        assert parsed.text
        assert parsed.text in text
    else:
        assert parsed.complaint


@QUICK
@given(
    st.sampled_from(["search", "answer"]),
    st.text(st.characters(exclude_characters="<>"), min_size=1).map(str.strip).filter(bool),
    st.sampled_from(["tags", "plain"]),
)
def test_what_is_written_is_read_back(kind, text, action_format):
    action = SearchAction(kind, text)
    assert parse_action(format_action(action, action_format)) == action
