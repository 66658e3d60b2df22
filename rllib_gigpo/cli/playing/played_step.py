"""A step of an episode as it is printed: what was seen and done, and what it earned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rllib_gigpo.cli.playing.shown import in_one_line, shown


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """One step as it is shown: what was seen and done, and what it brought."""

    prompt: str
    anchor: str
    admissible_actions: tuple[str, ...]
    response: str  # what the player answered
    action: str  # what the environment got
    reward: float


def show(steps: Iterator[PlayedStep]) -> None:
    """Print an episode that was played elsewhere."""
    total = 0.0
    for number, step in enumerate(steps, 1):
        total += step.reward
        print(f"{rule(number)}\n{step.prompt}")
        print(facts(step.anchor, step.admissible_actions))
        print(f"response   {step.response}")
        print(result(step.action, step.reward, total))


def rule(title: object) -> str:
    """Return the line above a step."""
    return f"--- {title} ".ljust(72, "-")


def facts(anchor: object, actions: Sequence[str] | None) -> str:
    """Return the lines on the state: its anchor, and the admissible actions with their numbers."""
    numbered = "  ".join(f"{i}:{action}" for i, action in enumerate(actions or (), 1))
    return f"anchor     {shown(anchor)}\nadmissible {numbered or '(not named)'}"


def result(action: object, reward: float, total: float) -> str:
    """Return the lines on what was done and earned."""
    return f"action     {in_one_line(action)}\nreward     {reward:g}   so far {total:g}"
