"""`rllib play` with several agents: who acts, and and a history for each."""

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.playing.played_step import rule


def test_a_heading_names_the_role_if_there_are_several():
    assert rule(3).startswith("--- 3 ---")
    assert rule(3, "guide").startswith("--- 3 guide ---")
    assert len(rule(3)) == len(rule(3, "guide")) == 72


def test_each_turn_shows_its_role_and_only_that_roles_past(capsys):
    env = "support.games.two_voices:TwoVoices-v0"
    assert main(["play", env, "--as", "expert", "--history-length", "5"]) == 0
    turns = capsys.readouterr().out.split("\n--- ")
    assert [turn.removeprefix("--- ").split()[1] for turn in turns[:6]] == ["alice", "bob"] * 3
    for number, turn in enumerate(turns[:6]):
        own = ("alice", "bob")[number % 2]
        prompt = turn.partition("\nanchor")[0].partition("\n")[2]
        shown = [f"sees {earlier}." in prompt for earlier in range(6)]
        assert shown == [step <= number and step % 2 == number % 2 for step in range(6)]
        assert f"[turn {number // 2 + 1}] current observation: {own} sees {number}." in prompt
