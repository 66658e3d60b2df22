"""Printing of an episode, step by step, in `rllib play`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rllib_gigpo.cli.playing.pictures import show_pictures
from rllib_gigpo.cli.playing.shown import in_one_line, shown
from rllib_gigpo.envs.tools.call_space import parameters_of


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """One step of an episode: what the player saw and did, and the reward."""

    prompt: str
    anchor: str
    admissible_actions: tuple[str, ...]
    response: str  # what the player answered
    action: str  # what the environment received
    reward: float
    pictures: tuple[np.ndarray, ...] = ()  # of the prompt, (H, W, 3) uint8 each
    role: str = ""  # who acted, in an environment with several agents


def show(steps: Iterator[PlayedStep]) -> None:
    """Print the steps of an episode, with the running total of the rewards."""
    total = 0.0
    for number, step in enumerate(steps, 1):
        total += step.reward
        print(f"{rule(number, step.role)}\n{step.prompt}")
        show_pictures(step.pictures)
        print(facts(step.anchor, step.admissible_actions))
        print(f"response   {step.response}")
        print(result(step.action, step.reward, total))


def rule(title: object, role: str = "") -> str:
    """Return the heading line of a step, with the role that acts if there are several."""
    return f"--- {f'{title} {role}' if role else title} ".ljust(72, "-")


def facts(anchor: object, actions: Sequence[str] | None) -> str:
    """Return the lines about the state: its anchor and the numbered admissible actions."""
    numbered = "  ".join(f"{i}:{action}" for i, action in enumerate(actions or (), 1))
    return f"anchor     {shown(anchor)}\nadmissible {numbered or '(not listed)'}"


def listed(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each tool: how it is called, and what it does."""
    functions = [tool["function"] for tool in tools]
    calls = [
        f"{one['name']}({', '.join(parameters_of(one).get('properties', {}))})" for one in functions
    ]
    return "\n".join(
        f"{call}  {one.get('description', '')}".rstrip()
        for call, one in zip(calls, functions, strict=True)
    )


def result(action: object, reward: float, total: float) -> str:
    """Return the lines about the action, its reward and the total so far."""
    return f"action     {in_one_line(action)}\nreward     {reward:g}   so far {total:g}"
