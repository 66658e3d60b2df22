"""`rllib train`: trains an experiment file, or GiGPO on one environment, with Ray Tune."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.experiment import (
    Experiment,
    apply_settings,
    assignment,
    json_object,
    load_experiment,
)
from rllib_gigpo.cli.module_folders import modules_from
from rllib_gigpo.cli.ray_session import add_ray_options, ray_settings
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.errors import ConfigError


def add_parser(subparsers: Any) -> None:
    """Add the ``train`` subcommand, with ``train file``."""
    options = _option_parser()
    train = subparsers.add_parser(
        "train",
        help="train an experiment file, or GiGPO on one environment",
        description="Train with Ray Tune: `rllib train file EXPERIMENT.py` runs an experiment "
        "file, and `rllib train --env ID --model-path DIR` runs GiGPO on one environment.",
        parents=[options],
        argument_default=argparse.SUPPRESS,
    )
    train.add_argument(
        "--env",
        metavar="ID",
        help="Gymnasium id of the environment, e.g. rllib_gigpo.envs:Corridor-v0",
    )
    train.add_argument(
        "--env-config", metavar="JSON", type=json_object, help="settings of the environment"
    )
    train.add_argument(
        "--model-path", metavar="DIR", help="Hugging Face folder of the model to train"
    )
    train.set_defaults(run=run)
    file = train.add_subparsers(title="commands", metavar="[file]", required=False).add_parser(
        "file",
        help="train from a Python file that defines `config` and optionally `stop`",
        description="Train from a Python file that defines `config` (an AlgorithmConfig) and "
        "optionally `stop` (a dict) and `tune_callbacks` (a list).",
        parents=[options],
        argument_default=argparse.SUPPRESS,
    )
    file.add_argument("file", metavar="EXPERIMENT.py", type=Path, help="the experiment file")


def run(args: argparse.Namespace) -> int:
    """Run ``rllib train`` and return the exit status."""
    if not hasattr(args, "file"):
        return train_experiment(_simple_experiment(args), _run_settings(args))
    with modules_from(args.file.parent):
        return train_experiment(load_experiment(args.file), _run_settings(args))


def train_experiment(experiment: Experiment, settings: RunSettings) -> int:
    """Train an experiment, or only try it out with ``dry_run``; return the exit status."""
    apply_settings(experiment.config, settings.settings)
    if settings.dry_run:
        from rllib_gigpo.cli.training.dry_run import dry_run

        return dry_run(experiment.config, settings)
    from rllib_gigpo.cli.training.tune_run import run_with_tune

    return run_with_tune(experiment, settings)


def _simple_experiment(args: argparse.Namespace) -> Experiment:
    if not hasattr(args, "env"):
        raise ConfigError(
            "nothing to train: give `file EXPERIMENT.py`, or --env ID and --model-path DIR"
        )
    if not hasattr(args, "model_path"):
        raise ConfigError(
            "--env needs --model-path DIR, a Hugging Face model folder; "
            "`rllib warm-start` makes a small one"
        )
    from rllib_gigpo import GiGPOConfig

    config = GiGPOConfig().environment(args.env, env_config=getattr(args, "env_config", {}))
    config.llm(model_path=args.model_path)
    return Experiment(config=config, stop={}, name="gigpo")


def _run_settings(args: argparse.Namespace) -> RunSettings:
    names = [option.name for option in fields(RunSettings)]
    given = {name: value for name, value in vars(args).items() if name in names}
    return RunSettings(**given, ray=ray_settings(args))


def _option_parser() -> argparse.ArgumentParser:
    """Build the options that ``train`` and ``train file`` share.

    The options have no defaults here: the defaults of a subparser would overwrite options that
    come before ``file``.
    """
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    run = parser.add_argument_group("run")
    run.add_argument(
        "--stop",
        metavar="JSON",
        type=json_object,
        help="metric values at which to stop, e.g. '{\"training_iteration\": 100}' "
        "(default: `stop` of the file)",
    )
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=assignment,
        action="append",
        dest="settings",
        help="change a setting, e.g. --set lr=1e-5 or --set policy_loss.name=cispo; may be"
        " repeated; `rllib settings` lists all settings",
    )
    run.add_argument(
        "--resume",
        metavar="PATH",
        type=Path,
        help="continue a run in its folder, from its newest whole checkpoint, or start a new run "
        "from a checkpoint; a new --stop, new settings and changes of the file count. This runs "
        "code from the checkpoint's pickles: resume only from those that you trust",
    )
    run.add_argument(
        "--max-failures",
        metavar="N",
        type=int,
        help="times that a failed run goes on from its newest checkpoint by itself, after the "
        "death of a Learner for example; -1 for no bound (default: 0)",
    )
    run.add_argument(
        "--dry-run", action="store_true", help="only estimate memory and run one tiny iteration"
    )
    run.add_argument(
        "--gpu-gb",
        metavar="GB",
        type=float,
        help="memory of a GPU, which the dry run compares with (default: 80)",
    )
    _add_output_options(parser)
    add_ray_options(parser)
    return parser


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for all runs (default: ~/ray_results)"
    )
    output.add_argument(
        "--experiment-name",
        metavar="NAME",
        help="name of this run's folder (default: file name and time)",
    )
    output.add_argument(
        "--checkpoint-freq",
        metavar="N",
        type=int,
        help="iterations between checkpoints; 0 for none (default: 10, or as in a resumed run)",
    )
    output.add_argument(
        "--checkpoint-at-end",
        action=argparse.BooleanOptionalAction,
        help="write a checkpoint at the end (default: yes)",
    )
    output.add_argument(
        "--keep-checkpoints", metavar="N", type=int, help="latest checkpoints to keep (default: 2)"
    )
