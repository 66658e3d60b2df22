import pickle

import pytest

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import BlockParser, ParsedAction, PastStep, PromptInputs, PromptTemplate

INVALID = ParsedAction("", is_format_valid=False, is_admissible=False)


@pytest.mark.parametrize(
    ("response", "action"),
    [
        ("<think>who?</think><search>Lena Moor</search>", "<search>Lena Moor</search>"),
        ("<answer>Velden</answer>", "<answer>Velden</answer>"),
        ("I search. <search>a\nb</search> Done.", "<search>a\nb</search>"),
        ("<think>not <answer>x</answer></think><search>a</search>", "<search>a</search>"),
        ("thoughts</think><answer>a < b</answer>", "<answer>a < b</answer>"),
    ],
)
def test_one_block_is_the_action_with_its_tags(response, action):
    parser = pickle.loads(pickle.dumps(BlockParser(["search", "answer"])))
    assert parser.parse(response, None) == ParsedAction(action, True, True)


@pytest.mark.parametrize(
    "response",
    [
        "",
        "Velden",
        "<search>a</search><answer>b</answer>",
        "<search>a</search><search>a</search>",
        "<search>a",
        "<search>a</answer>",
        "<search> </search>",
        "<search><search>a</search>",
        "<think><search>a</search>",
    ],
)
def test_anything_else_is_invalid(response):
    assert BlockParser(["search", "answer"]).parse(response, None) == INVALID


def test_a_thought_can_be_required():
    parser = BlockParser(["search"], require_think=True)
    assert parser.parse("<search>a</search>", None) == INVALID
    assert parser.parse("<think></think><search>a</search>", None).is_format_valid


def test_admissible_actions_are_compared_with_the_whole_block():
    parser = BlockParser(["search", "answer"])
    listed = ["<search>Lena</search>"]
    assert parser.parse("<search>Lena</search>", listed).is_admissible
    assert not parser.parse("<answer>Lena</answer>", listed).is_admissible


@pytest.mark.parametrize("tags", [[], "search", ["<search>"], ["a b"]])
def test_odd_tags_are_refused(tags):
    with pytest.raises(ConfigError, match="must be a list of words"):
        BlockParser(tags)


def test_the_template_of_search_qa_explains_both_blocks_and_shows_the_way_so_far():
    template = PromptTemplate.from_name_or_source("search_qa")
    first = template.render(PromptInputs("Question: Who?", task="Who?"), action_tag=None)
    assert first.count("Who?") == 1
    assert first.endswith("Question: Who?")
    for part in ("<think>", "<search>", "<information>", "<answer>"):
        assert part in first
    past = (
        PastStep(1, "Question: Who?", "<search>a</search>"),
        PastStep(2, "<information>A</information>", ""),
    )
    later = template.render(
        PromptInputs("Not understood.", task="Who?", history=past, step=3),
        action_tag=None,
        think_tag=None,
    )
    assert "<think>" not in later
    wanted = ["Who?", "wrote: <search>a", "read: <information>A", "(nothing", "3, you read: Not"]
    positions = [later.index(part) for part in wanted]
    assert positions == sorted(positions)
