"""Plays an episode in this process: a person, the expert or a random player acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rllib_gigpo.cli.playing.pictures import pictures_of, show_pictures
from rllib_gigpo.cli.playing.played_step import facts, listed, result, rule
from rllib_gigpo.cli.playing.players import Player, Quit
from rllib_gigpo.cli.playing.shown import in_one_line, shown
from rllib_gigpo.envs.response_fence import read_reset, read_step
from rllib_gigpo.errors import EnvContractError

if TYPE_CHECKING:
    import gymnasium

    from rllib_gigpo.prompting.contents.text_prompter import TextPrompter


def play_here(
    env: gymnasium.Env, player: Player, prompter: TextPrompter, seed: int, max_steps: int
) -> None:
    """Play an episode in this process and print each turn before the player answers it.

    Raises:
        EnvContractError: The environment failed.
    """
    tools = getattr(env.unwrapped, "tools", None)
    if tools:
        print(f"{rule('tools')}\n{listed(tools)}")
    with _told(f"reset(seed={seed})"):
        observation, info = read_reset(env.reset(seed=seed))
    total, ended, terminated = 0.0, False, False
    for step in range(1, max_steps + 1):
        role = info.get("role", "")
        print(f"{rule(step, role)}\n{prompter.render(shown(observation), info)}")
        show_pictures(pictures_of(observation))
        print(facts(info.get("anchor", observation), info.get("admissible_actions")))
        try:
            action = player.choose(info)
        except Quit:
            break
        prompter.note(shown(observation), in_one_line(action), role=role)
        with _told(f"step({action!r})"):
            observation, reward, terminated, truncated, info = read_step(env.step(action))
        total += reward
        print(result(action, reward, total))
        ended = terminated or truncated
        if ended:
            print(f"{rule('the end')}\n{shown(observation)}")
            show_pictures(pictures_of(observation))
            break
    won = info.get("won", terminated and total > 0)
    print(f"won {bool(won)}, return {total:g}" + ("" if ended else ", not finished"))


@contextmanager
def _told(call: str) -> Iterator[None]:
    """Turn any exception of the environment into a one-line error."""
    try:
        yield
    except Exception as error:
        raise EnvContractError(
            f"The environment failed in {call}: {type(error).__name__}: {error}"
        ) from error
