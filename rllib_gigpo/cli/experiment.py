"""Parsers for the files and values of the command line, with errors of one line."""

import argparse
import json
import math
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import ConfigError

if TYPE_CHECKING:
    from ray import tune
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_PYTHON_NAMES = {"True": True, "False": False, "None": None}  # JSON spells them differently


@dataclass(frozen=True, slots=True)
class Experiment:
    """The contents of a file for ``rllib train file``."""

    config: "AlgorithmConfig"
    stop: Mapping[str, Any]  # metric path -> value at which to stop; {}: run until interrupted
    name: str
    tune_callbacks: Sequence["tune.Callback"] = ()  # such as loggers for W&B or MLflow


def load_experiment(path: Path) -> Experiment:
    """Run a Python file and take ``config``, ``stop`` and ``tune_callbacks`` from it.

    The file runs under a special module name: it does not replace an installed module of the same
    name, and its ``if __name__ == "__main__"`` block does not run.

    Raises:
        ConfigError: The file is missing, is not Python, defines no ``config``, or defines an
            object of the wrong type.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.suffix != ".py":
        raise ConfigError(
            f"{path}: not a Python file; `rllib train file` runs a .py file that defines `config`"
        )
    return experiment_from(runpy.run_path(str(path)), path)


def experiment_from(namespace: Mapping[str, Any], path: Path) -> Experiment:
    """Check the names that the file at ``path`` defines and make an experiment of them."""
    from ray import tune
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

    if "config" not in namespace:
        raise ConfigError(f"{path}: defines no `config`; add `config = GiGPOConfig()...`")
    config, stop = namespace["config"], namespace.get("stop") or {}
    if not isinstance(config, AlgorithmConfig):
        raise ConfigError(
            f"{path}: `config` must be an AlgorithmConfig, not {type(config).__name__}"
        )
    if not isinstance(stop, Mapping):
        raise ConfigError(f"{path}: `stop` must be a dict, not {type(stop).__name__}")
    callbacks = namespace.get("tune_callbacks") or []
    if not isinstance(callbacks, Sequence) or not all(
        isinstance(one, tune.Callback) for one in callbacks
    ):
        raise ConfigError(f"{path}: `tune_callbacks` must be a list of `ray.tune.Callback`s")
    return Experiment(config=config, stop=stop, name=path.stem, tune_callbacks=callbacks)


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an ``argparse`` type.

    Raises:
        argparse.ArgumentTypeError: The text is not valid JSON, or not an object.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not JSON ({error.msg} at character {error.pos}); "
            "write it like '{\"key\": 10}'"
        ) from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object like {{"key": value}}')
    return value


def whole_number(low: int, high: float = math.inf) -> Callable[[str], int]:
    """Return an ``argparse`` type for whole numbers of at least ``low`` and at most ``high``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            bound = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {bound}")
        return number

    return parse


def add_settings_option(parser: argparse.ArgumentParser, *, example: str) -> None:
    """Add ``--set``, which changes settings of a checkpoint's config."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=assignment,
        action="append",
        default=[],
        dest="settings",
        help=f"change a setting of the checkpoint's config, e.g. --set {example}; may be repeated",
    )


def assignment(text: str) -> tuple[str, Any]:
    """Parse ``KEY=VALUE``; an ``argparse`` type.

    The value is JSON, or Python's True, False or None; anything else is text.

    Raises:
        argparse.ArgumentTypeError: There is no ``=``, or no key before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE, for example lr=1e-5")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, _PYTHON_NAMES.get(value, value)


def apply_settings(config: "AlgorithmConfig", settings: Sequence[tuple[str, Any]]) -> None:
    """Change settings of a config in place.

    Args:
        config: The config.
        settings: (name, value) pairs, such as ``("lr", 1e-5)``; a dot reaches into a nested
            setting, as in ``("policy_loss.name", "cispo")``.

    Raises:
        ConfigError: The config has no such setting.
    """
    for key, value in settings:
        name, *path = key.split(".")
        if not hasattr(config, name):
            raise ConfigError(
                f"--set {key}: {type(config).__name__} has no setting {name!r}; "
                "`rllib settings` lists GiGPO's settings"
            )
        for part in reversed(path):
            value = {part: value}
        config.update_from_dict({name: value})
