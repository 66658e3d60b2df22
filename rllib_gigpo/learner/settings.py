"""What the update loop reads from the config."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from rllib_gigpo.learner.lr_schedule import learning_rate
from rllib_gigpo.loss.objective import ObjectiveSettings
from rllib_gigpo.loss.policy_loss import make_policy_loss


def objective_settings(config: Any, *, kl_coeff: float) -> ObjectiveSettings:
    """Collect what the loss is made of; without ``clip_param_high`` the clip is symmetric."""
    high = config.clip_param if config.clip_param_high is None else config.clip_param_high
    return ObjectiveSettings(
        policy_loss=make_policy_loss(
            config.policy_loss,
            clip_low=config.clip_param,
            clip_high=high,
            dual_clip=config.dual_clip,
        ),
        kl_coeff=kl_coeff,
        entropy_coeff=config.entropy_coeff,
        kl_kind=config.kl_estimator,
    )


def learning_rate_factor(config: Any, iteration: int) -> float:
    """Return the part of its peak that a learning rate has in an iteration, counted from 0."""
    return learning_rate(
        iteration,
        lr=1.0,
        schedule=config.lr_schedule,
        warmup_iterations=config.lr_warmup_iterations,
        decay_iterations=config.lr_decay_iterations,
        final_fraction=config.lr_final_fraction,
    )


def autocast(config: Any, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context of the forward passes: ``autocast_dtype`` on a GPU, else no change."""
    if config.autocast_dtype is None or device.type != "cuda":
        return contextlib.nullcontext()
    return torch.autocast("cuda", dtype=getattr(torch, config.autocast_dtype))
