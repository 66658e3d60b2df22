"""`rllib evaluate`: plays the test tasks with a checkpoint and reports its success."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.cli.experiment import add_settings_option, apply_settings, json_object
from rllib_gigpo.cli.playing.playable import PICKLE_WARNING, Playable, find_playable
from rllib_gigpo.cli.ray_session import add_ray_options, ray_session, ray_settings
from rllib_gigpo.cli.training.progress_display import decimal, percent, thousands
from rllib_gigpo.errors import CheckpointError, PanelError
from rllib_gigpo.reports.results import EVALUATION, lookup, number


def add_parser(subparsers: Any) -> None:
    """Add the ``evaluate`` subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a checkpoint on the test tasks",
        description="Play the test tasks with a checkpoint. Report success with a 95% confidence "
        f"interval, overall and for each task tag. {PICKLE_WARNING}",
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="a checkpoint, a trial's folder (uses its newest whole checkpoint), or a plain "
        "Hugging Face folder",
    )
    parser.add_argument(
        "--env",
        metavar="ID",
        help="Gymnasium id of the environment (default: that of the checkpoint or of gigpo.json)",
    )
    parser.add_argument(
        "--env-config", metavar="JSON", type=json_object, help="settings of the environment"
    )
    parser.add_argument(
        "--panel", metavar="PANEL", help="play this panel (a name or a file) instead"
    )
    parser.add_argument(
        "--num-tasks",
        metavar="N",
        type=int,
        help="number of test tasks (default: as in the checkpoint's config)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="JSON file for all metrics (default: evaluation_NAME.json next to the checkpoint)",
    )
    add_settings_option(parser, example="num_env_runners=1")
    add_ray_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib evaluate`` and return the exit status.

    Raises:
        PanelError: There is no such panel here, or another option contradicts it.
    """
    from rllib_gigpo.panels.panel import load_panel
    from rllib_gigpo.panels.panel_environment import panel_environment

    settings = list(args.settings)
    if args.num_tasks is not None:
        settings.append(("num_test_tasks", args.num_tasks))
    env, env_config = args.env, args.env_config
    if args.panel is not None:
        if env is not None or args.num_tasks is not None:
            raise PanelError("--panel says what is played; leave out --env and --num-tasks")
        panel = load_panel(args.panel)
        settings.append(("panel", panel.model_dump(mode="json")))
        env, env_config = panel_environment(panel, env_config or {})
    playable = find_playable(args.checkpoint, env=env, env_config=env_config)
    with ray_session(ray_settings(args)):
        result = evaluate_playable(playable, settings)
    print("\n".join(table(result)))
    place = playable.place
    output = args.output or place.parent / f"evaluation_{place.name}.json"
    write_json(result, output)
    print(f"metrics  {output}")
    return 0


def evaluate_checkpoint(
    checkpoint: Path, settings: Sequence[tuple[str, Any]] = ()
) -> dict[str, Any]:
    """Rebuild the algorithm of a checkpoint and evaluate it.

    Args:
        checkpoint: Folder of an RLlib checkpoint. It holds pickles, which run code: open only those
            that you trust. Or a plain model folder, which needs no pickles.
        settings: (name, value) pairs to set on its config first.

    Returns:
        The result of ``Algorithm.evaluate()``.
    """
    return evaluate_playable(find_playable(checkpoint), settings)


def evaluate_playable(
    playable: Playable, settings: Sequence[tuple[str, Any]] = ()
) -> dict[str, Any]:
    """Play the test tasks with a model.

    Args:
        playable: The model, with its config.
        settings: (name, value) pairs to set on its config first.

    Returns:
        The result of ``Algorithm.evaluate()``.
    """
    for_evaluation(playable.config, settings)
    algorithm = playable.build()
    try:
        return algorithm.evaluate()
    finally:
        algorithm.stop()


def for_evaluation(config: Any, settings: Sequence[tuple[str, Any]]) -> None:
    """Change the config of a checkpoint so that it only plays, and apply settings."""
    from rllib_gigpo.loss.kl import KLSettings

    # The initial model may be gone, and evaluation does not measure the divergence from it.
    unneeded: list[tuple[str, Any]] = [
        ("kl_coeff", 0.0),
        ("kl.target", None),
        ("kl.horizon", KLSettings().horizon),
        ("max_staleness", 0),
    ]
    # Merge the evaluation overrides into the config, so the command can change them.
    config.update_from_dict(dict(config.evaluation_config or {}))
    config.evaluation_config = None
    apply_settings(config, unneeded)
    apply_settings(config, settings)


def table(result: Mapping[str, Any]) -> list[str]:
    """Format the metrics of an evaluation: lines for all tasks, then one per tag."""
    metrics = lookup({"evaluation": result}, EVALUATION) or result
    lines = [
        f"success  {_success(metrics)}",
        f"return   {decimal(number(metrics, 'episode_return_mean'))}",
        f"length   {decimal(number(metrics, 'episode_len_mean'), 1)}",
        f"valid    {percent(number(metrics, 'format_valid_rate'))}",
    ]
    tags = lookup(metrics, "tags") or {}
    width = max((len(str(tag)) for tag in tags), default=0)
    lines += [f"  {tag!s:<{width}}  {_success(tags[tag])}" for tag in sorted(tags)]
    return lines


def _success(metrics: Mapping[str, Any]) -> str:
    interval = [percent(number(metrics, f"success_ci_{side}")) for side in ("low", "high")]
    episodes = thousands(number(metrics, "num_episodes"))
    rate = percent(number(metrics, "success_rate"))
    return f"{rate}  95% CI [{', '.join(interval)}]  {episodes} episodes"


def write_json(result: Mapping[str, Any], path: Path) -> None:
    """Write a result as JSON, with NumPy numbers as plain ones.

    Raises:
        CheckpointError: The file cannot be written.
    """
    text = json.dumps(result, indent=2, sort_keys=True, default=_plain) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise CheckpointError(
            f"the metrics could not be written to {path}: {error.strerror} ({disk_state(path)}); "
            "choose another file with --output"
        ) from error


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
