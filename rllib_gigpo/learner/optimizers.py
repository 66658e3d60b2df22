"""The optimiser of the Learner."""

from collections.abc import Iterable
from typing import Any

import torch

from rllib_gigpo.errors import ConfigError

OPTIMIZERS = ("adamw", "sgd")
PEAK_LR = "peak_lr"  # key of a parameter group: its rate after the warm-up


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter],
    config: Any,
    *,
    critic_parameters: Iterable[torch.nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """Build the optimiser that a config names; a critic is a group with a rate of its own.

    Args:
        parameters: The policy's; those without gradient are left out.
        config: With ``optimizer_name``, ``lr``, ``critic_lr``, ``weight_decay``, ``adam_betas`` and
            ``adam_eps``.
        critic_parameters: The critic's.

    Returns:
        AdamW, or SGD without momentum and without weight decay.

    Raises:
        ConfigError: If the name is unknown.
    """
    groups = [
        {"params": trainable, "lr": lr, PEAK_LR: lr}
        for trainable, lr in (
            ([p for p in parameters if p.requires_grad], config.lr),
            ([p for p in critic_parameters if p.requires_grad], config.critic_lr),
        )
        if trainable
    ]
    if config.optimizer_name == "adamw":
        return torch.optim.AdamW(
            groups,
            betas=tuple(config.adam_betas),
            eps=config.adam_eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
    if config.optimizer_name == "sgd":
        return torch.optim.SGD(groups)
    raise ConfigError(
        f"optimizer_name={config.optimizer_name!r} is unknown; use one of {', '.join(OPTIMIZERS)}."
    )


def scale_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` of what the config gives it."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group[PEAK_LR]


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
