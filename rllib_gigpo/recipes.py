"""Helpers for experiment files: models of several sizes, and variants of another experiment.

The files in ``tuned_examples/`` use them, and yours can too.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from types import SimpleNamespace

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.gigpo import GiGPOConfig

_SIZES = {
    "QWEN_PATH": "assets/qwen2.5-1.5b-instruct",
    "QWEN_VL_PATH": "assets/qwen2.5-vl-3b-instruct",
}
_SMOLLM2 = "models/smollm2"  # where docs/models.md and `make train-llm` put it


def experiment(path: str, *, beside: str) -> SimpleNamespace:
    """Run another experiment file and return everything that it defines, as a base for variants.

    Args:
        path: The other file, relative to the folder of ``beside``.
        beside: ``__file__`` of the caller.

    Example:
        >>> main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)
        ... # doctest: +SKIP
        >>> config = main_job.config.training(rule="rloo")  # doctest: +SKIP
    """
    return SimpleNamespace(**runpy.run_path(str(Path(beside).parent / path)))


def smollm2_folder() -> str:
    """Return the folder of SmolLM2: that of the environment variable ``SMOLLM2_PATH``, or ours.

    Raises:
        ConfigError: There is no such folder; the message says how to make it.
    """
    folder = os.environ.get("SMOLLM2_PATH", _SMOLLM2)
    if not Path(folder).is_dir():
        raise ConfigError(
            f"SmolLM2 is not in {folder!r}. Run `make train-llm`, or `rllib import-model smollm2"
            f" --output {folder}`, or set SMOLLM2_PATH to its Hugging Face folder."
        )
    return folder


def qwen_folder(variable: str, *, beside: str) -> str:
    """Return the folder of a Qwen model.

    Args:
        variable: The environment variable that names the folder: "QWEN_PATH" for Qwen2.5, or
            "QWEN_VL_PATH" for Qwen2.5-VL. If it is not set, the folder is one with the published
            configuration and without weights, for ``--dry-run``.
        beside: ``__file__`` of the caller, a file in a folder of ``tuned_examples/``.
    """
    sizes = Path(beside).resolve().parents[1] / _SIZES[variable]
    return os.environ.get(variable, str(sizes))


def qwen_on_gpus(preset: str, *, beside: str, num_gpus: int = 2) -> GiGPOConfig:
    """Return a preset with Qwen2.5 in bfloat16; half of the GPUs generate, the other half learn.

    The environment variable ``QWEN_PATH`` names the model's folder; see `qwen_folder`.

    Args:
        preset: Name of a preset, such as "gigpo-verl-agent"; docs/presets.md lists all.
        beside: ``__file__`` of the caller, a file in a folder of ``tuned_examples/``.
        num_gpus: Number of GPUs, which must be even.

    Raises:
        ConfigError: There is no such preset.
    """
    num_each = num_gpus // 2
    return (
        GiGPOConfig.preset(preset)
        .llm(
            model_path=qwen_folder("QWEN_PATH", beside=beside),
            autocast_dtype="bfloat16",
            gradient_checkpointing=True,
        )
        .inference(engine_dtype="bfloat16")
        .training(micro_batch_tokens=32768)
        .env_runners(num_env_runners=num_each, num_gpus_per_env_runner=1)
        .learners(num_learners=num_each, num_gpus_per_learner=1)
        .evaluation(evaluation_interval=5)
        .debugging(seed=0)
    )


def on_pictures(config: GiGPOConfig, *, beside: str, **env_config: object) -> GiGPOConfig:
    """Change a run with Qwen2.5 into one with Qwen2.5-VL, which sees pictures; return the config.

    The weights, gradients and moments of 3.75 billion parameters are shared by two Learners.

    Args:
        config: A config of `qwen_on_gpus`, with an environment that can show pictures.
        beside: See `qwen_folder`.
        **env_config: Further keywords of the environment.
    """
    return (
        config.environment(env_config={"observation": "image", **env_config})
        .llm(model_path=qwen_folder("QWEN_VL_PATH", beside=beside))
        .learners(num_learners=2, sharding="fsdp2")
        .prompting(history_length=0)
    )


def tiny_on_pictures(env: str, **env_config: object) -> GiGPOConfig:
    """Return the preset ``gigpo-tiny`` for an environment as pictures; they alone are the prompt.

    Args:
        env: Gymnasium id.
        **env_config: Keywords of the environment.
    """
    return (
        GiGPOConfig.preset("gigpo-tiny")
        .environment(env, env_config={"observation": "image", **env_config})
        .prompting(template="{{ observation }}", history_length=0)
        .llm(max_prompt_tokens=64)
        .debugging(seed=0)
    )
