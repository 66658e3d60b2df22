"""`rllib panel run`: plays a panel with a checkpoint, or with a model behind a URL."""

import argparse
import re
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.experiment import add_settings_option, json_object, whole_number
from rllib_gigpo.cli.panels.panel_players import played_by_checkpoint, played_by_url
from rllib_gigpo.cli.panels.result_table import table
from rllib_gigpo.cli.playing.playable import PICKLE_WARNING
from rllib_gigpo.cli.ray_session import add_ray_options
from rllib_gigpo.errors import PanelError

_OF_URLS = ("model", "api_key_variable", "num_parallel", "max_tokens")


def add_parser(subparsers: Any) -> None:
    """Add the ``run`` action."""
    parser = subparsers.add_parser(
        "run",
        help="play a panel",
        description="Play each task of a panel once for each decoding seed: with a checkpoint, or "
        f"with a model behind an OpenAI-compatible URL. {PICKLE_WARNING}",
    )
    parser.add_argument("panel", metavar="PANEL", help="a shipped name, or a file")
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        nargs="?",
        help="a checkpoint, a trial's folder, or a plain Hugging Face folder",
    )
    parser.add_argument(
        "--env-config",
        metavar="JSON",
        type=json_object,
        default={},
        help="the environment's files on this machine, which a panel does not name",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="one episode at a time in one engine, so that nothing depends on the batch (slow)",
    )
    url = parser.add_argument_group("a model behind an OpenAI-compatible URL")
    url.add_argument("--base-url", metavar="URL", help="the part before /chat/completions")
    url.add_argument("--model", metavar="NAME", help="its name there")
    url.add_argument(
        "--api-key-variable",
        metavar="NAME",
        help="environment variable with the key (OPENAI_API_KEY, if it is set)",
    )
    url.add_argument(
        "--num-parallel", metavar="N", type=whole_number(1), help="requests at a time (16)"
    )
    url.add_argument("--max-tokens", metavar="N", type=whole_number(1), help="longest answer (512)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="(PANEL_AGENT.json here)")
    add_settings_option(parser, example="num_env_runners=1")
    add_ray_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib panel run`` and return the exit status.

    Raises:
        PanelError: The arguments do not go together, or the panel cannot be played here.
    """
    from rllib_gigpo.panels.panel import check_is_free, load_panel
    from rllib_gigpo.panels.panel_environment import panel_environment, started_here
    from rllib_gigpo.panels.played_task import check_starts

    panel = load_panel(args.panel)
    if not panel.is_complete:
        raise PanelError(
            f"The panel {panel.label} has no hashes of its tasks' starts yet; add those of your"
            f" data with `rllib panel make {args.panel} --env-config JSON --output FILE`"
        )
    _check_options(args)
    check_is_free(args.output)
    env, env_config = panel_environment(panel, args.env_config)
    check_starts(panel, started_here(env, env_config, [task.seed for task in panel.tasks]))
    play = played_by_checkpoint if args.base_url is None else played_by_url
    result = play(panel, env_config, args)
    print("\n".join(table(result)))
    output = args.output or _free_file(re.sub(r"[^\w.-]+", "_", f"{panel.name}_{result.agent}"))
    result.save(output)
    print(f"result   {output}")
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other, or would have no effect."""
    if (args.checkpoint is None) == (args.base_url is None):
        raise PanelError("panel run needs either CHECKPOINT or --base-url URL")
    if args.base_url is not None:
        if not args.base_url.startswith(("http://", "https://")):
            raise PanelError(f"--base-url {args.base_url} must begin with http:// or https://")
        if args.model is None or args.exact:
            raise PanelError("--base-url needs --model NAME, and cannot be --exact")
        return
    for name in _OF_URLS:
        if getattr(args, name) is not None:
            raise PanelError(f"--{name.replace('_', '-')} is for a model behind a --base-url")


def _free_file(stem: str) -> Path:
    """Return a file that does not exist yet, so that no result is overwritten."""
    number, file = 1, Path(f"{stem}.json")
    while file.exists():
        number += 1
        file = Path(f"{stem}_{number}.json")
    return file
