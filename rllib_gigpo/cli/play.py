"""`rllib play`: one episode in the terminal, by a person, the expert, chance or a checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.loading import json_object, whole_number
from rllib_gigpo.cli.players import Player, Quit, make_player
from rllib_gigpo.cli.shown import in_one_line, shown
from rllib_gigpo.errors import ConfigError, EnvContractError

if TYPE_CHECKING:
    import gymnasium

    from rllib_gigpo.prompting.memory import PastStep

_PLAYERS = ("person", "expert", "random")


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """One step as it is shown: what was seen and done, and what it brought."""

    prompt: str
    anchor: str
    admissible_actions: tuple[str, ...]
    response: str  # what the player answered
    action: str  # what the environment got
    reward: float


def add_parser(subparsers: Any) -> None:
    """Add ``play`` to the command."""
    parser = subparsers.add_parser(
        "play",
        help="play one episode in the terminal",
        description="Play one episode and see what an agent sees: prompt, anchor, admissible "
        "actions, reward. As a person, as the environment's expert, at random, or with a "
        "checkpoint.",
    )
    parser.add_argument("env", metavar="ID", nargs="?", help="Gymnasium id; not with --checkpoint")
    parser.add_argument(
        "--env-config", metavar="JSON", type=json_object, default={}, help="its settings"
    )
    parser.add_argument(
        "--as", choices=_PLAYERS, default="person", dest="player", help="who plays (person)"
    )
    parser.add_argument("--checkpoint", metavar="DIR", type=Path, help="let this checkpoint play")
    parser.add_argument("--engine", default="transformers", help="of the checkpoint (transformers)")
    parser.add_argument(
        "--seed", metavar="N", type=whole_number(0), default=0, help="the task (default: 0)"
    )
    parser.add_argument(
        "--max-steps", metavar="N", type=whole_number(1), default=50, help="(default: 50)"
    )
    parser.add_argument("--template", metavar="NAME", default="default", help="of the prompt")
    parser.add_argument(
        "--history-length",
        metavar="N",
        type=whole_number(0),
        default=2,
        help="past turns shown (default: 2)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out ``rllib play``; returns the exit status.

    Raises:
        ConfigError: Neither an environment nor a checkpoint, or both.
    """
    if (args.env is None) == (args.checkpoint is None):
        raise ConfigError("play needs either the ID of an environment or --checkpoint DIR")
    if args.checkpoint is not None:
        from rllib_gigpo.cli.play_checkpoint import checkpoint_steps

        show(checkpoint_steps(args.checkpoint, seed=args.seed, engine=args.engine))
        return 0
    from rllib_gigpo.env_runner.env_source import EnvSource

    env = EnvSource(args.env, args.env_config).make()
    prompter = _Prompter(args.template, args.history_length)
    player = make_player(args.player, args.seed, env.action_space)
    try:
        play_here(env, player, prompter, args.seed, args.max_steps)
    finally:
        env.close()
    return 0


class _Prompter:
    """Renders the prompt of each turn, without the chat template of any model."""

    def __init__(self, template: str, history_length: int) -> None:
        from rllib_gigpo.prompting.memory import LastSteps
        from rllib_gigpo.prompting.template import PromptTemplate

        self._template = PromptTemplate.from_name_or_source(template)
        self._memory = LastSteps(history_length)
        self._past: list[PastStep] = []

    def render(self, observation: str, info: Mapping[str, Any]) -> str:
        """The prompt of this turn."""
        from rllib_gigpo.prompting.template import PromptInputs

        inputs = PromptInputs(
            observation=observation,
            task=str(info.get("task", "")),
            admissible_actions=tuple(info.get("admissible_actions") or ()),
            history=tuple(self._memory.recall(self._past)),
            step=len(self._past) + 1,
        )
        return self._template.render(inputs, action_tag="action", think_tag="think")

    def note(self, observation: str, action: str) -> None:
        """Remember a finished turn."""
        from rllib_gigpo.prompting.memory import PastStep

        self._past.append(
            PastStep(step=len(self._past) + 1, observation=observation, action=action)
        )


def play_here(
    env: gymnasium.Env, player: Player, prompter: _Prompter, seed: int, max_steps: int
) -> None:
    """Play with an environment in this process; each turn is printed before it is answered.

    Raises:
        EnvContractError: The environment failed.
    """
    with _told(f"reset(seed={seed})"):
        observation, info = env.reset(seed=seed)
    total, ended = 0.0, False
    for step in range(1, max_steps + 1):
        print(f"{_rule(step)}\n{prompter.render(shown(observation), info)}")
        print(_facts(info.get("anchor", observation), info.get("admissible_actions")))
        try:
            action = player.choose(info)
        except Quit:
            break
        prompter.note(shown(observation), in_one_line(action))
        with _told(f"step({action!r})"):
            observation, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        print(_result(action, float(reward), total))
        ended = terminated or truncated
        if ended:
            print(f"{_rule('the end')}\n{shown(observation)}")
            break
    print(f"won {bool(info.get('won'))}, return {total:g}" + ("" if ended else ", not ended"))


@contextmanager
def _told(call: str) -> Iterator[None]:
    """Turn whatever the environment's code raises into one line."""
    try:
        yield
    except Exception as error:
        raise EnvContractError(
            f"The environment failed in {call}: {type(error).__name__}: {error}"
        ) from error


def show(steps: Iterator[PlayedStep]) -> None:
    """Print an episode that was played elsewhere."""
    total = 0.0
    for number, step in enumerate(steps, 1):
        total += step.reward
        print(f"{_rule(number)}\n{step.prompt}")
        print(_facts(step.anchor, step.admissible_actions))
        print(f"response   {step.response}")
        print(_result(step.action, step.reward, total))


def _rule(title: object) -> str:
    return f"--- {title} ".ljust(72, "-")


def _facts(anchor: object, actions: Sequence[str] | None) -> str:
    numbered = "  ".join(f"{i}:{action}" for i, action in enumerate(actions or (), 1))
    return f"anchor     {shown(anchor)}\nadmissible {numbered or '(not named)'}"


def _result(action: object, reward: float, total: float) -> str:
    return f"action     {in_one_line(action)}\nreward     {reward:g}   so far {total:g}"
