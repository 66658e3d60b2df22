"""The optimiser of the Learner."""

from collections.abc import Iterable
from typing import Any

import torch

from rllib_gigpo.errors import ConfigError

OPTIMIZERS = ("adamw", "sgd")


def make_optimizer(parameters: Iterable[torch.nn.Parameter], config: Any) -> torch.optim.Optimizer:
    """Build the optimiser that a config names.

    Args:
        parameters: What to train; those without gradient are left out.
        config: With ``optimizer_name``, ``lr``, ``weight_decay``, ``adam_betas`` and ``adam_eps``.

    Returns:
        AdamW, or SGD without momentum and without weight decay.

    Raises:
        ConfigError: If the name is unknown.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if config.optimizer_name == "adamw":
        return torch.optim.AdamW(
            trainable,
            lr=config.lr,
            betas=tuple(config.adam_betas),
            eps=config.adam_eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
    if config.optimizer_name == "sgd":
        return torch.optim.SGD(trainable, lr=config.lr)
    raise ConfigError(
        f"optimizer_name={config.optimizer_name!r} is unknown; use one of {', '.join(OPTIMIZERS)}."
    )


def to_cpu(value: Any) -> Any:
    """Copy all tensors of nested dicts, lists and tuples to the CPU, detached.

    Args:
        value: For example an optimiser's state.

    Returns:
        The same nesting.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: to_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_cpu(item) for item in value)
    return value
