"""Pictures of `rllib play`: two pixels a character, and nothing where there are no colours."""

import io
import sys

import numpy as np
from rich.color import ColorTriplet

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.playing.pictures import picture_text, pictures_of, show_pictures

RED, BLUE = (200, 10, 10), (10, 10, 200)


def colours(text):
    """Return (upper, lower) of each character."""
    return [
        (span.style.color.triplet, span.style.bgcolor.triplet)
        for span in sorted(text.spans, key=lambda span: span.start)
    ]


def test_a_character_shows_two_pixels():
    picture = np.array([[RED, BLUE], [BLUE, RED]], np.uint8)
    text = picture_text(picture)
    assert text.plain == "▀▀\n"
    red, blue = ColorTriplet(*RED), ColorTriplet(*BLUE)
    assert colours(text) == [(red, blue), (blue, red)]


def test_an_odd_row_is_doubled_and_a_wide_picture_gets_narrower():
    assert picture_text(np.zeros((3, 2, 3), np.uint8)).plain == "▀▀\n▀▀\n"
    lines = picture_text(np.zeros((300, 300, 3), np.uint8)).plain.splitlines()
    assert {len(line) for line in lines} == {60}
    assert len(lines) == 30


def test_pictures_are_found_in_dicts_and_lists():
    picture = np.zeros((4, 4, 3), np.uint8)
    found = pictures_of({"view": picture, "text": "a", "more": [picture, np.zeros((4, 4))]})
    assert [one is picture for one in found] == [True, True]


def test_a_file_gets_no_pictures(monkeypatch):
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    show_pictures([np.zeros((4, 4, 3), np.uint8)])
    assert output.getvalue() == ""


def test_play_draws_what_the_environment_shows(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    command = ["play", "rllib_gigpo.envs:Sokoban-v0", "--as", "expert", "--seed", "1"]
    assert main([*command, "--env-config", '{"observation": "image", "dim": [5, 5]}']) == 0
    output = capsys.readouterr().out
    assert output.count("▀") >= 2 * 40 * 40 / 2  # two states of 80x80 pixels, in half the columns
    assert "<array 80x80x3," in output
