"""Settings of the optimiser and its steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from rllib_gigpo.learner.optimization.lr_schedule import LR_SCHEDULES, LRSchedule
from rllib_gigpo.learner.optimization.optim import OPTIMIZERS, Optim
from rllib_gigpo.options.section import Section, setting


class OptimizerSection(Section):
    """Settings of the optimiser and its steps in `GiGPOConfig.training`."""

    lr: NonNegativeFloat = setting(1e-6, "Learning rate after the warm-up.")
    optim: Annotated[Optim, OPTIMIZERS] = setting("adamw", "The optimiser.")
    lr_schedule: Annotated[LRSchedule, LR_SCHEDULES] = setting("constant", "How lr changes.")
    grad_clip: PositiveFloat | None = setting(1.0, "Largest gradient norm; None for no clipping.")
    num_epochs: PositiveInt = setting(1, "Passes over each batch.")
    num_minibatches: PositiveInt = setting(4, "Optimiser steps per epoch.")
    max_skipped_updates: PositiveInt = setting(3, "Iterations with no finite step that end a run.")
    micro_batch_tokens: Literal["auto"] | PositiveInt = setting("auto", "Tokens a pass, by memory.")
    logp_chunk_tokens: PositiveInt = setting(1024, "Tokens whose logits are in memory at once.")
