"""`rllib evaluate`: plays the test tasks with a checkpoint and reports its success."""

import argparse
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.checkpoints import find_checkpoint
from rllib_gigpo.cli.experiment import apply_settings, assignment
from rllib_gigpo.cli.ray_session import add_ray_options, ray_session, ray_settings
from rllib_gigpo.cli.training.progress_display import decimal, percent, thousands
from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.reports.results import EVALUATION, lookup, number

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_CONSTRUCTOR_FILE = "class_and_ctor_args.pkl"


def add_parser(subparsers: Any) -> None:
    """Add the ``evaluate`` subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a checkpoint on the test tasks",
        description="Play the test tasks with a checkpoint. Report success with a 95% confidence "
        "interval, overall and for each task tag.",
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="a checkpoint, or a trial's folder (uses its newest checkpoint)",
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
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=assignment,
        action="append",
        default=[],
        dest="settings",
        help="change a setting of the checkpoint's config, e.g. --set num_env_runners=1; "
        "may be repeated",
    )
    add_ray_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib evaluate`` and return the exit status."""
    checkpoint = find_checkpoint(args.checkpoint)
    settings = list(args.settings)
    if args.num_tasks is not None:
        settings.append(("num_test_tasks", args.num_tasks))
    with ray_session(ray_settings(args)):
        result = evaluate_checkpoint(checkpoint, settings)
    print("\n".join(table(result)))
    output = args.output or checkpoint.parent / f"evaluation_{checkpoint.name}.json"
    write_json(result, output)
    print(f"metrics  {output}")
    return 0


def evaluate_checkpoint(
    checkpoint: Path, settings: Sequence[tuple[str, Any]] = ()
) -> dict[str, Any]:
    """Rebuild the algorithm of a checkpoint and evaluate it.

    Args:
        checkpoint: Folder of an RLlib checkpoint. It holds pickles: open only those you trust.
        settings: (name, value) pairs to set on its config first.

    Returns:
        The result of ``Algorithm.evaluate()``.
    """
    from ray.rllib.algorithms.algorithm import Algorithm

    from rllib_gigpo.learner.checkpoint_model import model_folder
    from rllib_gigpo.loss.kl import KLSettings

    config = checkpoint_config(checkpoint)
    # The initial model may be gone, and evaluation does not measure the divergence from it.
    unneeded: list[tuple[str, Any]] = [
        ("kl_coeff", 0.0),
        ("kl.target", None),
        ("kl.horizon", KLSettings().horizon),
    ]
    # Merge the evaluation overrides into the config, so the command can change them.
    config.update_from_dict(dict(config.evaluation_config or {}))
    config.evaluation_config = None
    apply_settings(config, [("model_path", str(model_folder(checkpoint))), *unneeded])
    apply_settings(config, settings)
    algorithm = Algorithm.from_checkpoint(str(checkpoint.resolve()), config=config)
    try:
        return algorithm.evaluate()
    finally:
        algorithm.stop()


def checkpoint_config(checkpoint: Path) -> "AlgorithmConfig":
    """Read the config of a checkpoint.

    Raises:
        CheckpointError: The file with the config is missing.
    """
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

    file = checkpoint / _CONSTRUCTOR_FILE
    if not file.is_file():
        raise CheckpointError(
            f"{file} is missing, so the checkpoint's config is unknown; copy the whole checkpoint"
        )
    (state, *_), _ = pickle.loads(file.read_bytes())["ctor_args_and_kwargs"]
    return state if isinstance(state, AlgorithmConfig) else AlgorithmConfig.from_state(state)


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
    """Write a result as JSON, with NumPy numbers as plain ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, sort_keys=True, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
