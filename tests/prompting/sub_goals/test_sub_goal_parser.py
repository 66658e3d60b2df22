"""The parser of three blocks, and the tokens that each block consists of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import (
    ActionParser,
    PromptInputs,
    PromptTemplate,
    SubGoalParser,
    parser_of,
)
from rllib_gigpo.prompting.response_decoder import ResponseDecoder
from rllib_gigpo.prompting.sub_goals.token_spans import token_span
from rllib_gigpo.prompting.text_encoder import mark_facts

ACTIONS = ["go east", "take coin"]
KEEP = "<switch>KEEP</switch><subgoal>reach the attic</subgoal><action>go east</action>"


def blocks_of(response):
    found = SubGoalParser().find_blocks(response)
    return None if found is None else (found.is_switch, found.sub_goal)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (KEEP, (False, "reach the attic")),
        (KEEP.replace("KEEP", "SWITCH"), (True, "reach the attic")),
        (KEEP.replace("KEEP", " switch\n"), (True, "reach the attic")),
        (KEEP.replace("reach the attic", "\nreach  the\nattic "), (False, "reach the attic")),
        (
            f"<think>KEEP or <switch>?</think>\n{KEEP.replace('><', '> <')}",
            (False, "reach the attic"),
        ),
        (KEEP.replace("KEEP", "STAY"), None),
        (KEEP.replace("reach the attic", " "), None),
        (KEEP.replace("go east", " "), None),
        (KEEP.replace("<switch>KEEP</switch>", ""), None),
        (KEEP.replace("<subgoal>reach the attic</subgoal>", ""), None),
        (KEEP.replace("<action>go east</action>", ""), None),
        (KEEP + "<action>go east</action>", None),
        (KEEP + "<subgoal>more</subgoal>", None),
        ("<action>go east</action>" + KEEP[: KEEP.index("<action>")], None),  # another order
        (f"<think>{KEEP}", None),
        ("", None),
    ],
)
def test_responses_with_sub_goals(response, expected):
    parsed = SubGoalParser().parse(response, ACTIONS)
    assert blocks_of(response) == expected
    assert parsed.is_format_valid == (expected is not None)
    assert parsed.action == ("go east" if expected else "")


def test_the_action_is_parsed_as_ever():
    assert not SubGoalParser().parse(KEEP.replace("go east", "fly"), ACTIONS).is_admissible
    assert not SubGoalParser().parse(KEEP.replace("go east", " "), ACTIONS).is_format_valid
    assert SubGoalParser().parse(KEEP.replace("go east", "GO  East"), ACTIONS).action == "go east"


def test_spans_count_the_characters_of_the_thought_before():
    response = f"<think>Up?</think>{KEEP}"
    found = SubGoalParser().find_blocks(response)
    assert response[slice(*found.switch_span)] == "<switch>KEEP</switch>"
    assert response[slice(*found.sub_goal_span)] == "<subgoal>reach the attic</subgoal>"


@pytest.mark.parametrize("require_think", [False, True])
def test_a_demonstrations_sub_goal_is_its_action_and_is_kept_while_it_lasts(require_think):
    parser = SubGoalParser(require_think=require_think)
    for sub_goal, is_switch in (("", True), ("go east", False), ("take coin", True)):
        response = parser.format("go east", sub_goal=sub_goal)
        found = parser.find_blocks(response)
        assert (found.is_switch, found.sub_goal) == (is_switch, "go east")
        assert parser.parse(response, ACTIONS).action == "go east"


@pytest.mark.parametrize(
    "tags", [{"action_tag": None}, {"action_tag": "subgoal"}, {"think_tag": "switch"}]
)
def test_tags_that_collide_are_refused(tags):
    with pytest.raises(ConfigError, match=r"needs an action_tag and a think_tag other than"):
        SubGoalParser(**tags)


def test_the_setting_chooses_the_parser():
    tags = {"action_tag": "action", "think_tag": None, "require_think": False}
    assert type(parser_of(sub_goals=True, **tags)) is SubGoalParser
    assert type(parser_of(sub_goals=False, **tags)) is ActionParser


# ---------------------------------------------------------------- the template


def test_the_shipped_template_asks_for_the_blocks_and_shows_what_is_pursued():
    template = PromptTemplate.from_name_or_source("sub_goals")
    first = template.render(PromptInputs("A hall."))
    assert all(f"<{tag}>" in first for tag in ("switch", "subgoal", "action", "think"))
    assert "Your sub-goal so far: (none yet)" in first
    later = PromptInputs("A hall.", sub_goal="find the attic", is_continued=True)
    assert template.render(later).endswith("Your sub-goal so far: find the attic")


def test_a_sub_goal_is_a_fact_that_cannot_forge_control_tokens():
    marked = mark_facts(PromptInputs("hall", "task", ("a",), sub_goal="<|im_end|>"))
    assert set(marked.sub_goal) == {"\ue000"}
    assert len(marked.sub_goal) == 10


# ---------------------------------------------------------------- tokens


def slow_span(token_ids, text, characters, decode):
    """Place every token at the characters that were complete before it."""
    starts = []
    for number in range(len(token_ids)):
        before = decode(token_ids[:number])
        same = 0
        while same < min(len(before), len(text)) and before[same] == text[same]:
            same += 1
        starts.append(same)
    inside = [n for n, start in enumerate(starts) if characters[0] <= start < characters[1]]
    return inside


LETTERS = st.text(alphabet="ab <>é日🙂", min_size=1, max_size=8)


@given(parts=st.tuples(LETTERS, LETTERS, LETTERS), shift=st.integers(0, 3))
def test_tokens_belong_to_the_stretch_of_their_first_character(tokenizer, parts, shift):
    decoder = ResponseDecoder(tokenizer)

    def decode(ids):
        return decoder.decode([ids])[0]

    ids = tokenizer("".join(parts), add_special_tokens=False)["input_ids"]
    text = decode(ids)
    start = min(len(parts[0]) + shift, len(text))
    characters = (start, max(start, min(start + len(parts[1]), len(text))))
    first, stop = token_span(ids, text, characters, decode)
    assert list(range(first, stop)) == slow_span(ids, text, characters, decode)


def test_a_token_across_two_blocks_belongs_to_the_first():
    pieces = ["<switch>", "KEEP", "</switch", "><", "subgoal>", "up", "</subgoal>", "<action>"]

    def decode(ids):
        return "".join(pieces[one] for one in ids)

    ids = list(range(len(pieces)))
    text = decode(ids)
    middle = text.index("<subgoal>")
    end = text.index("<action>")
    assert token_span(ids, text, (0, middle), decode) == (0, 4)
    assert token_span(ids, text, (middle, end), decode) == (4, 7)
