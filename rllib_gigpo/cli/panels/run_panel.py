"""`rllib panel run`: plays a panel with a checkpoint, or with a model behind a URL."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.experiment import add_settings_option, apply_settings, json_object
from rllib_gigpo.cli.playing.playable import PICKLE_WARNING, find_playable
from rllib_gigpo.cli.ray_session import add_ray_options, ray_session, ray_settings
from rllib_gigpo.cli.training.progress_display import decimal, percent
from rllib_gigpo.errors import PanelError

if TYPE_CHECKING:
    from rllib_gigpo.panels.panel import Panel
    from rllib_gigpo.panels.played_task import PanelResult

# Settings that decide the answers besides the model; the result has those that were changed.
_TOLD = ("dtype", "engine_dtype", "engine", "template", "history_length", "max_response_tokens")


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
    parser.add_argument("--base-url", metavar="URL", help="of a model, up to /chat/completions")
    parser.add_argument("--model", metavar="NAME", help="its name there")
    parser.add_argument(
        "--api-key-variable",
        metavar="NAME",
        default="OPENAI_API_KEY",
        help="environment variable with the key (OPENAI_API_KEY)",
    )
    parser.add_argument(
        "--num-parallel", metavar="N", type=int, default=16, help="requests at a time (16)"
    )
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=int,
        default=512,
        help="longest answer (512)",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="(default: PANEL_AGENT.json)")
    add_settings_option(parser, example="num_env_runners=1")
    add_ray_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib panel run`` and return the exit status.

    Raises:
        PanelError: The arguments do not go together, or the panel cannot be played here.
    """
    from rllib_gigpo.panels.panel import load_panel

    panel = load_panel(args.panel)
    if not panel.is_complete:
        raise PanelError(
            f"The panel {panel.label} has no hashes of its tasks' starts yet; add those of your"
            f" data with `rllib panel make {args.panel} --env-config JSON --output FILE`"
        )
    if (args.checkpoint is None) == (args.base_url is None):
        raise PanelError("panel run needs either CHECKPOINT or --base-url URL")
    if args.checkpoint is not None:
        with ray_session(ray_settings(args)):
            result = played_by_checkpoint(panel, args)
    else:
        result = played_by_url(panel, args)
    output = args.output or Path(f"{panel.name}_{result.agent.replace('/', '_')}.json")
    result.save(output)
    print("\n".join(table(result)))
    print(f"result   {output}")
    return 0


def played_by_checkpoint(panel: "Panel", args: argparse.Namespace) -> "PanelResult":
    """Play a panel with the model of a checkpoint, on its own engine."""
    from rllib_gigpo.cli.commands.evaluate import for_evaluation
    from rllib_gigpo.panels.panel_environment import started_here
    from rllib_gigpo.panels.played_task import check_starts
    from rllib_gigpo.sampling.evaluation import played_tasks, started_tasks, unplayed_tasks

    playable = find_playable(args.checkpoint, env=panel.env, env_config=args.env_config)
    settings: list[tuple[str, Any]] = [("panel", args.panel)]
    if args.exact:
        settings += [("num_env_runners", 0), ("max_concurrent_episodes", 1)]
    for_evaluation(playable.config, [*settings, *args.settings])
    played_in = playable.config.evaluated()
    check_starts(panel, started_here(panel.env, played_in.env_config, [panel.tasks[0].seed]))
    algorithm = playable.build()
    try:
        found = algorithm.play_test_tasks()
    finally:
        algorithm.stop()
    check_starts(panel, started_tasks(found))
    told = {name: str(getattr(playable.config, name)) for name in _TOLD}
    told["exact"] = str(args.exact)
    return _result(panel, playable.place.name, told, played_tasks(found), unplayed_tasks(found))


def played_by_url(panel: "Panel", args: argparse.Namespace) -> "PanelResult":
    """Play a panel with a model behind a URL.

    Raises:
        PanelError: The model has no name, or an option is for checkpoints.
    """
    from rllib_gigpo import GiGPOConfig
    from rllib_gigpo.config.sections import read_prompts
    from rllib_gigpo.env_runner.env_source import EnvSource
    from rllib_gigpo.panels.chat_agent import ChatAgent, ChatEndpoint
    from rllib_gigpo.panels.panel_environment import panel_environment

    if args.model is None or args.exact:
        raise PanelError("--base-url needs --model NAME, and cannot be --exact")
    config = GiGPOConfig()
    apply_settings(config, args.settings)
    agent = ChatAgent(
        ChatEndpoint(args.base_url, args.model, os.environ.get(args.api_key_variable) or "none"),
        read_prompts(config),
        max_tokens=args.max_tokens,
        num_parallel=args.num_parallel,
    )
    played, unplayed = agent.play(panel, EnvSource(*panel_environment(panel, args.env_config)))
    told = {name: str(getattr(config, name)) for name in ("template", "history_length")}
    return _result(panel, args.model, told, played, unplayed)


def table(result: "PanelResult") -> list[str]:
    """Format a result: lines for all tasks, then one per tag."""
    numbers = result.summary
    lines = [
        f"panel    {result.panel} v{result.panel_version} ({result.panel_digest})",
        f"agent    {result.agent}",
        f"success  {_share(numbers, 'success_rate', 'success_ci')}"
        f"  over {numbers['num_tasks']} tasks",
    ]
    if "num_decoding_seeds" in numbers:
        seeds = numbers["num_decoding_seeds"]
        lines += [
            f"avg@{seeds:<4} {_share(numbers, f'avg_at_{seeds}', 'success_over_seeds')}"
            "  over decoding seeds",
            f"pass@{seeds:<3} {_share(numbers, f'pass_at_{seeds}', f'pass_at_{seeds}')}",
        ]
    if "steps_of_successes" in numbers:
        lines.append(f"steps    {decimal(numbers['steps_of_successes'], 1)} of successes")
    tags = numbers["tags"]
    width = max((len(tag) for tag in tags), default=0)
    lines += [
        f"  {tag:<{width}}  {_share(one, 'success_rate', 'success_ci')}  {one['num_tasks']} tasks"
        for tag, one in tags.items()
    ]
    if result.unplayed:
        first = result.unplayed[0]
        lines.append(
            f"missing  {len(result.unplayed)} episodes could not be played; task {first.task}:"
            f" {first.reason}"
        )
    return lines


def _share(numbers: Mapping[str, Any], name: str, interval: str) -> str:
    low, high = (numbers.get(f"{interval}_{side}") for side in ("low", "high"))
    bounds = "" if low is None else f"  95% CI [{percent(low)}, {percent(high)}]"
    return f"{percent(numbers[name])}{bounds}"


def _result(
    panel: "Panel", agent: str, settings: dict[str, Any], played: Any, unplayed: Any
) -> "PanelResult":
    from rllib_gigpo.panels.played_task import PanelResult
    from rllib_gigpo.panels.summary import summarize

    return PanelResult(
        panel=panel.name,
        panel_version=panel.version,
        panel_digest=panel.digest,
        agent=agent,
        settings=settings,
        played=tuple(played),
        unplayed=tuple(unplayed),
        summary=summarize(played),
    )
