"""`rllib play`: plays one episode in the terminal and shows what the agent sees."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.experiment import add_settings_option, json_object, whole_number
from rllib_gigpo.cli.playing.local_episode import play_here
from rllib_gigpo.cli.playing.playable import PICKLE_WARNING, find_playable
from rllib_gigpo.cli.playing.played_step import show
from rllib_gigpo.cli.playing.players import make_player
from rllib_gigpo.errors import ConfigError

_PLAYERS = ("person", "expert", "random")
_MAX_STEPS = 50
_HISTORY_LENGTH = 2


def add_parser(subparsers: Any) -> None:
    """Add the ``play`` subcommand."""
    parser = subparsers.add_parser(
        "play",
        help="play one episode in the terminal",
        description="Play one episode and see what an agent sees: prompt, anchor, admissible "
        "actions and reward. Play it yourself, or watch the environment's expert, a random player "
        f"or a checkpoint. {PICKLE_WARNING}",
    )
    parser.add_argument(
        "env_id",
        metavar="ID",
        nargs="?",
        help="Gymnasium id of the environment; not with --checkpoint",
    )
    parser.add_argument(
        "--env",
        metavar="ID",
        help="the same as an option; with --checkpoint, instead of the run's environment",
    )
    parser.add_argument(
        "--env-config", metavar="JSON", type=json_object, help="settings of the environment"
    )
    parser.add_argument(
        "--as",
        choices=_PLAYERS,
        dest="player",
        help="who plays without a checkpoint (default: person)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole_number(0), default=0, help="seed of the task (default: 0)"
    )
    parser.add_argument(
        "--max-steps",
        metavar="N",
        type=whole_number(1),
        help="maximum number of steps (default: 50, or as in the checkpoint's config)",
    )
    parser.add_argument(
        "--template",
        metavar="NAME",
        help="prompt template: a name, a path or its source (default: default, or as in the "
        "checkpoint's config)",
    )
    parser.add_argument(
        "--history-length",
        metavar="N",
        type=whole_number(0),
        help="number of past turns in the prompt (default: 2, or as in the checkpoint's config)",
    )
    _add_checkpoint_options(parser)
    parser.set_defaults(run=run)


def _add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a checkpoint that plays."""
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        type=Path,
        help="let this checkpoint play, or the model in a plain Hugging Face folder",
    )
    add_settings_option(parser, example="template=compact")
    parser.add_argument(
        "--engine",
        help="engine that runs the checkpoint's model (default: transformers)",
    )


def run(args: argparse.Namespace) -> int:
    """Run ``rllib play`` and return the exit status.

    Raises:
        ConfigError: Neither an environment nor a checkpoint is given, or both are, or an option
            does not go with them.
    """
    if args.checkpoint is not None and args.env_id is None:
        return _play_checkpoint(args)
    env_ids = [one for one in (args.env_id, args.env) if one is not None]
    if len(env_ids) != 1 or args.checkpoint is not None:
        raise ConfigError(
            "play needs either the ID of an environment or --checkpoint DIR, which takes --env ID"
        )
    if args.settings or args.engine:
        name = "--set" if args.settings else "--engine"
        raise ConfigError(f"{name} changes how a checkpoint plays; pass --checkpoint DIR")
    from rllib_gigpo.env_runner.env_source import EnvSource
    from rllib_gigpo.prompting.contents.text_prompter import TextPrompter
    from rllib_gigpo.prompting.memory import LastSteps
    from rllib_gigpo.prompting.template import PromptTemplate

    env = EnvSource(env_ids[0], args.env_config or {}).make()
    history_length = _HISTORY_LENGTH if args.history_length is None else args.history_length
    usual = "tools" if getattr(env.unwrapped, "tools", None) else "default"
    template = PromptTemplate.from_name_or_source(args.template or usual)
    prompter = TextPrompter(template, LastSteps(history_length))
    player = make_player(args.player or "person", args.seed, env)
    try:
        play_here(env, player, prompter, args.seed, args.max_steps or _MAX_STEPS)
    finally:
        env.close()
    return 0


def _play_checkpoint(args: argparse.Namespace) -> int:
    if args.player is not None:
        raise ConfigError(
            f"--as {args.player} cannot be combined with --checkpoint: the checkpoint plays; "
            "leave one of them out"
        )
    from rllib_gigpo.cli.playing.checkpoint_player import checkpoint_steps

    options = {
        "template": args.template,
        "history_length": args.history_length,
        "max_episode_steps": args.max_steps,
    }
    given = [(name, value) for name, value in options.items() if value is not None]
    playable = find_playable(args.checkpoint, env=args.env, env_config=args.env_config)
    engine = args.engine or "transformers"
    show(checkpoint_steps(playable, [*given, *args.settings], seed=args.seed, engine=engine))
    return 0
