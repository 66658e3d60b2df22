"""`rllib warm-start`: fits a model to an environment's expert and prints its folder."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.experiment import json_object

if TYPE_CHECKING:
    from rllib_gigpo.warm_start import WarmStartReport, WarmStartSettings

_NO_TAG = "none"


def add_parser(subparsers: Any) -> None:
    """Add the ``warm-start`` subcommand."""
    parser = subparsers.add_parser(
        "warm-start",
        help="fit an initial model to demonstrations by an environment's expert",
        description="Play training tasks with an environment's expert (info['expert_action']) and "
        "fit a model to its actions: a tiny new model, or --base-model. The result is a Hugging "
        "Face folder, which is cached. Use the same prompt options in the training run.",
    )
    parser.add_argument(
        "--env", metavar="ID", required=True, help="Gymnasium id of the environment"
    )
    parser.add_argument(
        "--env-config",
        metavar="JSON",
        type=json_object,
        default={},
        help="settings of the environment",
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for the model (default: in the cache)"
    )
    parser.add_argument(
        "--base-model",
        metavar="DIR",
        help="Hugging Face folder of the model to fit (default: a tiny new model)",
    )
    _add_task_options(parser.add_argument_group("tasks"))
    _add_prompt_options(parser.add_argument_group("prompts"))
    _add_fit_options(parser.add_argument_group("fit"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib warm-start`` and return the exit status."""
    from rllib_gigpo.warm_start import print_progress, read_report, warm_start

    folder = warm_start(
        settings_from(args), output=args.output, cache_dir=args.cache_dir, progress=print_progress
    )
    print(_summary(read_report(folder)), file=sys.stderr)
    print(folder)
    return 0


def settings_from(args: argparse.Namespace) -> "WarmStartSettings":
    """Return the settings for the options; options that are not given keep their defaults."""
    from rllib_gigpo.warm_start import (
        DemonstrationSettings,
        FitSettings,
        PromptSettings,
        TinyModelSettings,
        WarmStartSettings,
    )

    by_kind = 128 if args.base_model is None else 24
    num_tasks = by_kind if args.num_train_tasks is None else args.num_train_tasks
    last = args.first_train_task + num_tasks
    return WarmStartSettings(
        env=args.env,
        env_config=args.env_config,
        seeds=tuple(range(args.first_train_task, last)),
        base_model=args.base_model,
        seed=args.seed,
        prompting=PromptSettings(
            action_tag=_tag(args.action_tag),
            think_tag=_tag(args.think_tag),
            **_given(
                args, "style", "template", "history_length", "max_prompt_tokens", "system_prompt"
            ),
        ),
        demonstrations=DemonstrationSettings(
            num_tasks=None if args.base_model is None else num_tasks,
            **_given(
                args,
                "random_action_probability",
                "random_label_probability",
                "episodes_per_seed",
                "max_episode_steps",
            ),
        ),
        tiny_model=TinyModelSettings(
            **_given(args, "vocab_size", "hidden_size", "num_layers", "num_heads")
        ),
        fit=FitSettings(**_given(args, "num_epochs", "lr", "batch_tokens", "prompt_loss_weight")),
    )


def _add_task_options(group: Any) -> None:
    group.add_argument(
        "--num-train-tasks",
        metavar="N",
        type=int,
        help="number of training tasks to demonstrate (default: 128; base model: 24)",
    )
    group.add_argument(
        "--first-train-task",
        metavar="SEED",
        type=int,
        default=0,
        help="seed of the first task (default: 0)",
    )
    group.add_argument(
        "--episodes-per-seed", metavar="N", type=int, help="episodes per task (default: 1)"
    )
    group.add_argument(
        "--max-episode-steps", metavar="N", type=int, help="maximum steps per episode (default: 50)"
    )
    group.add_argument(
        "--random-action-probability",
        metavar="P",
        type=float,
        help="chance of playing a random action instead of the expert's (default: 0.6)",
    )
    group.add_argument(
        "--random-label-probability",
        metavar="P",
        type=float,
        help="chance of learning a random action instead of the expert's; a higher value leaves "
        "more to reinforcement learning (default: 0.5; base model: 0)",
    )


def _add_prompt_options(group: Any) -> None:
    group.add_argument(
        "--style",
        choices=("step", "conversation"),
        help="one prompt a step, or one chat an episode (default: step)",
    )
    group.add_argument(
        "--template",
        metavar="NAME",
        help="prompt template: a name, a path or Jinja source (default: compact)",
    )
    group.add_argument(
        "--history-length",
        metavar="N",
        type=int,
        help="number of past turns in the prompt (default: 3)",
    )
    group.add_argument(
        "--max-prompt-tokens",
        metavar="N",
        type=int,
        help="maximum tokens per prompt (default: 512)",
    )
    group.add_argument("--system-prompt", metavar="TEXT", help="system message (default: none)")
    for name in ("action", "think"):
        group.add_argument(
            f"--{name}-tag",
            metavar="NAME",
            default=_NO_TAG,
            help=f"tag around the {'action' if name == 'action' else 'reasoning'} (default: none)",
        )


def _add_fit_options(group: Any) -> None:
    group.add_argument(
        "--num-epochs", metavar="N", type=int, help="passes over the demonstrations (default: 4)"
    )
    group.add_argument(
        "--lr", metavar="X", type=float, help="learning rate (default: 0.003; base model: 1e-05)"
    )
    group.add_argument(
        "--batch-tokens",
        metavar="N",
        type=int,
        help="maximum tokens per optimiser step (default: 2048)",
    )
    group.add_argument(
        "--prompt-loss-weight",
        metavar="W",
        type=float,
        help="weight of the loss on prompt tokens, which teaches a new model to copy "
        "(default: 0.0)",
    )
    for name, meaning in (
        ("vocab-size", "maximum vocabulary size of the tiny model (default: 1024)"),
        ("hidden-size", "width of the tiny model (default: 96)"),
        ("num-layers", "transformer blocks of the tiny model (default: 2)"),
        ("num-heads", "attention heads of the tiny model (default: 3)"),
    ):
        group.add_argument(f"--{name}", metavar="N", type=int, help=meaning)
    group.add_argument("--seed", metavar="N", type=int, default=0, help="random seed (default: 0)")
    group.add_argument(
        "--cache-dir",
        metavar="DIR",
        type=Path,
        help="cache folder (default: rllib_gigpo/warm_start in $XDG_CACHE_HOME or ~/.cache)",
    )


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options that were given; the settings hold the defaults of the others."""
    values = {name: getattr(args, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _tag(name: str) -> str | None:
    return None if name == _NO_TAG else name


def _summary(report: "WarmStartReport") -> str:
    return (
        f"{report.num_demonstrations:,} demonstrated turns, prompts of "
        f"{report.mean_prompt_tokens:.0f} tokens on average, "
        f"{report.num_parameters / 1e6:.2f} M parameters, "
        f"played in {report.demonstration_s:.0f} s, fitted in {report.fit_s:.0f} s; "
        f"token accuracy {report.token_accuracies[-1]:.1%}"
    )
