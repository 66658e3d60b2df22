"""What `rllib evaluate` and `rllib play` open: a checkpoint, or a plain Hugging Face folder."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.checkpoints.finder import find_checkpoint, is_checkpoint
from rllib_gigpo.checkpoints.manifest import MANIFEST
from rllib_gigpo.checkpoints.torn_files import torn_model_file
from rllib_gigpo.cli.experiment import apply_settings
from rllib_gigpo.errors import CheckpointError, GiGPOError

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

PICKLE_WARNING = (
    "Opening a checkpoint runs code from its pickles (*.pkl): open only those that you trust. A "
    "plain model folder (config.json, weights, tokenizer, optional gigpo.json) is opened without "
    "pickles; so is the one in a checkpoint, learner_group/learner/rl_module. Its gigpo.json names "
    "an environment, whose installed module is imported."
)
_CONSTRUCTOR_FILE = "class_and_ctor_args.pkl"


@dataclass(frozen=True, slots=True)
class Playable:
    """A model and the config to play with it."""

    place: Path  # the checkpoint or the model folder
    config: AlgorithmConfig  # its model_path is the saved model
    is_checkpoint: bool

    def build(self) -> Any:
        """Build the Algorithm: with a checkpoint's state, or new around a plain model.

        Raises:
            CheckpointError: A file is missing or torn that no manifest lists.
        """
        from ray.rllib.algorithms.algorithm import Algorithm

        if not self.is_checkpoint:
            return self.config.build_algo()
        try:
            return Algorithm.from_checkpoint(str(self.place.resolve()), config=self.config)
        except GiGPOError:
            raise
        # A fence: without a manifest, a damaged pickle may hold anything.
        except Exception as error:
            if (self.place / MANIFEST).is_file():
                raise
            raise CheckpointError(
                f"The checkpoint {self.place} cannot be restored ({type(error).__name__}: {error});"
                " copy it again from its source"
            ) from error


def find_playable(
    path: Path, *, env: str | None = None, env_config: Mapping[str, Any] | None = None
) -> Playable:
    """Open a checkpoint, the newest whole one of a trial, or a model folder.

    Args:
        path: The folder.
        env: The environment to play; None for that of the run.
        env_config: Its settings; None for those of the run, if the environment is that of the run.

    Raises:
        CheckpointError: There is nothing whole to play with, or no environment.
    """
    is_plain = is_model_folder(path) and not is_checkpoint(path)
    if is_plain:
        place, config = path, model_config(path)
    else:
        from rllib_gigpo.learner.checkpoint_model import model_folder

        found = find_checkpoint(path)
        found.report()
        place, config = found.path, checkpoint_config(found.path).copy(copy_frozen=False)
        # A checkpoint holds the whole model: adapters are merged.
        apply_settings(config, [("model_path", str(model_folder(place)))])
    if env is not None:
        config.env, config.env_config = env, {}
    if env_config is not None:
        config.env_config = dict(env_config)
    replaced = {"env", "env_config"} if env is not None else {"env_config"}
    if env is not None or env_config is not None:  # also those of evaluation alone
        overrides = dict(config.evaluation_config or {})
        config.evaluation_config = {
            name: value for name, value in overrides.items() if name not in replaced
        }
    if config.env is None:
        raise CheckpointError(f"{path} does not name an environment; pass --env ID")
    return Playable(place, config, is_checkpoint=not is_plain)


def is_model_folder(path: Path) -> bool:
    """Return whether a folder is one of Hugging Face's, whole or not."""
    names = ("config.json", "model.safetensors", "tokenizer_config.json")
    return any((path / name).is_file() for name in names)


def checkpoint_config(checkpoint: Path) -> AlgorithmConfig:
    """Read the config of a checkpoint, which unpickles it.

    Raises:
        CheckpointError: The file with the config is missing, torn or needs code that is not here.
    """
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

    file = checkpoint / _CONSTRUCTOR_FILE
    if not file.is_file():
        raise CheckpointError(
            f"{file} is missing, so the checkpoint's config is unknown; copy the whole checkpoint"
        )
    try:
        (state, *_), _ = pickle.loads(file.read_bytes())["ctor_args_and_kwargs"]
        return state if isinstance(state, AlgorithmConfig) else AlgorithmConfig.from_state(state)
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{file} needs code that is not here: {error}; install its package, or run the command "
            "in the folder of the experiment"
        ) from error
    except Exception as error:  # unpickling runs other people's code
        raise CheckpointError(
            f"{file} cannot be read ({type(error).__name__}: {error}); copy the checkpoint again"
        ) from error


def model_config(folder: Path) -> AlgorithmConfig:
    """Make the config to play with a plain model folder, from its ``gigpo.json`` if it has one.

    Raises:
        CheckpointError: A file of the folder is torn.
    """
    from rllib_gigpo import GiGPOConfig
    from rllib_gigpo.checkpoints.run_description import read_description

    fault = torn_model_file(folder)
    if not fault and not any(folder.glob("*.safetensors")):
        fault = "there are no weights (*.safetensors; weights in pickles are not opened)"
    if fault:
        raise CheckpointError(f"The model in {folder} is not whole: {fault}; copy it again")
    description = read_description(folder)
    if description.left_out:
        print(f"left out     {', '.join(description.left_out)}: Python objects of the run")
    config = GiGPOConfig().environment(description.env, env_config=dict(description.env_config))
    apply_settings(config, [("model_path", str(folder)), *description.settings.items()])
    return config
