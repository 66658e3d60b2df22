import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.envs.textworld.interpreter_text import (
    MAX_ACTION_LENGTH,
    clean_action,
    clean_feedback,
    is_meta_command,
    tidy,
)
from rllib_gigpo.envs.textworld.walkthrough_expert import WalkthroughExpert


@pytest.mark.parametrize(
    ("given_action", "command"),
    [
        ("  take   the\tcoin ", "take the coin"),
        ("Take Coin!", "Take Coin"),
        ("go east. take coin", "go east"),
        ("go east; take coin", "go east"),
        ("go east then take coin", "go east"),
        ("take the strengthener", "take the strengthener"),
        ("go east, take coin", "go east take coin"),
        ("examine l'entrée", "examine l'entree"),
        ("[x] *** <score>", "x score"),
        ("\x00\x1b[31m", "31m"),
        ("金貨", ""),
        ("\n\ngo east", "go east"),
        ("", ""),
        ("y" * 10_000, "y" * 150),
    ],
)
def test_actions_become_one_plain_command(given_action, command):
    assert clean_action(given_action) == command


@given(st.text())
def test_cleaning_is_short_ascii_and_stable(text):
    command = clean_action(text)
    assert len(command) <= MAX_ACTION_LENGTH
    assert command.isascii()
    assert command.isprintable()
    assert clean_action(command) == command


@pytest.mark.parametrize("word", ["quit", "Q", "undo", "transcript", "transcripts", "tw-print max"])
def test_words_for_the_interpreter_are_told_apart(word):
    assert is_meta_command(word)


@pytest.mark.parametrize("word", ["", "go east", "open quiver", "take score card", "restock shelf"])
def test_words_of_a_player_are_let_through(word):
    assert not is_meta_command(word)


def test_feedback_loses_the_status_line_and_the_menu():
    status = "You open the door.\n\n\n>   " + " " * 70 + "-= Bedroom =-3/14"
    assert clean_feedback(status) == "You open the door."
    end = "*** The End ***\n\nYou scored 1.\n\n\nWould you like to RESTART, RESTORE a saved game?"
    assert clean_feedback(end) == "*** The End ***\nYou scored 1."


def test_a_room_title_in_the_text_is_no_status_line():
    text = "-= Bedroom =-\nA room."
    assert clean_feedback(text) == text


def test_tidy_squeezes_blank_lines():
    assert tidy("\n a \n\n \n\n b\nc \n") == "a\nb\nc"


def test_the_walkthrough_expert_follows_and_walks_back():
    expert = WalkthroughExpert(["open box", "go east", "take coin"])
    assert expert.suggest() == "open box"
    expert.observe("look", has_changed=False)
    assert expert.suggest() == "open box"
    expert.observe("go north", has_changed=True)
    expert.observe("go west", has_changed=True)
    assert expert.suggest() == "go east"
    expert.observe("go east", has_changed=True)
    assert expert.suggest() == "go south"
    expert.observe("go south", has_changed=True)
    expert.observe("open box", has_changed=True)
    assert expert.suggest() == "go east"


def test_the_walkthrough_expert_is_silent_once_the_world_is_another():
    expert = WalkthroughExpert(["cook egg"])
    expert.observe("eat egg", has_changed=True)
    assert expert.suggest() is None


def test_the_walkthrough_expert_is_silent_at_the_end():
    expert = WalkthroughExpert(["take coin"])
    expert.observe("take coin", has_changed=True)
    assert expert.suggest() is None
