"""Supervised fitting of a model to the rows of demonstrations."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.warm_start.batch_gradient import BatchGradient, WholeBatch
from rllib_gigpo.warm_start.demonstrations import DemonstrationRow
from rllib_gigpo.warm_start.warm_start_progress import FitProgress, Progress, StepProgress
from rllib_gigpo.warm_start.warm_start_settings import FitSettings

_TELL_EVERY_S = 10.0


def fit(
    model: PreTrainedModel,
    epochs: Sequence[Sequence[DemonstrationRow]],
    settings: FitSettings,
    *,
    lr: float,
    batch_tokens: int,
    seed: int,
    gradient: BatchGradient | None = None,
    progress: Progress | None = None,
) -> list[FitProgress]:
    """Fit ``model`` in place and return the state after each epoch.

    Args:
        model: A causal language model in training mode, on the device to fit on.
        epochs: The rows of each pass.
        settings: Schedule and optimiser.
        lr: Highest learning rate.
        batch_tokens: Upper bound on the tokens of a batch.
        seed: Seed of the order of the rows.
        gradient: How a batch becomes a gradient; None for one pass over the whole batch.
        progress: Called after each epoch, and within it every ten seconds or less often.

    Raises:
        ConfigError: An epoch has no rows, or ``settings.lr_schedule`` is unknown.
    """
    if not epochs or not all(epochs):
        raise ConfigError("There are no demonstrations to fit; give more seeds.")
    if gradient is None:
        gradient = WholeBatch(model, prompt_loss_weight=settings.prompt_loss_weight)
    rng = np.random.default_rng(seed)
    num_steps = sum(len(plan_batches(rows, batch_tokens, rng=rng)) for rows in epochs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=settings.weight_decay)
    # The number of batches varies a little between epochs; the schedule still ends at zero.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_factor(settings, step=step, num_steps=num_steps)
    )
    told = _Told(progress, [len(rows) for rows in epochs])
    history = []
    for epoch, rows in enumerate(epochs, start=1):
        told.start_epoch(epoch)
        plan = plan_batches(rows, batch_tokens, rng=rng)
        batches = ([rows[index] for index in indices] for indices in plan)
        loss, accuracy = _fit_epoch(
            gradient, batches, optimizer, schedule, settings, on_step=told.step
        )
        history.append(FitProgress(epoch, len(epochs), loss, accuracy))
        if progress is not None:
            progress(history[-1])
    return history


def lr_factor(settings: FitSettings, *, step: int, num_steps: int) -> float:
    """Return the factor of the learning rate at an optimiser step: linear warm-up, then decay.

    Args:
        settings: Schedule and warm-up.
        step: Index of the step, from 0.
        num_steps: Total number of steps.

    Raises:
        ConfigError: ``settings.lr_schedule`` is unknown.
    """
    num_warmup = math.ceil(settings.warmup_fraction * num_steps)
    if step < num_warmup:
        return (step + 1) / num_warmup
    done = min(1.0, (step - num_warmup) / max(1, num_steps - num_warmup))
    decays = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }
    if settings.lr_schedule not in decays:
        raise ConfigError(
            f"lr_schedule={settings.lr_schedule!r} is unknown; use one of {sorted(decays)}."
        )
    return decays[settings.lr_schedule]


def plan_batches(
    rows: Sequence[DemonstrationRow], batch_tokens: int, *, rng: np.random.Generator
) -> list[np.ndarray]:
    """Batch rows of similar length, so there is little padding, and shuffle the batches.

    Args:
        rows: The rows.
        batch_tokens: Upper bound on the number of rows times the longest row; a longer row gets
            its own batch. A conversation counts as one row, its longest, and stays whole.
        rng: Determines the order of the batches and of equally long rows.

    Returns:
        The row indices of each batch; every row occurs once.
    """
    units = _units(rows)
    lengths = np.array(
        [max(len(rows[i].prompt_ids) + len(rows[i].response_ids) for i in unit) for unit in units]
    )
    shuffled = rng.permutation(len(units))
    order = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        # Rows are sorted: the last one is the longest.
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > batch_tokens:
            batches.append(order[start:end])
            start = end
    return [
        np.concatenate([units[unit] for unit in batches[index]])
        for index in rng.permutation(len(batches))
    ]


def _units(rows: Sequence[DemonstrationRow]) -> list[list[int]]:
    """Return the indices of rows that stay together: those of a conversation, or each alone."""
    units: dict[tuple[str, int], list[int]] = {}
    for index, row in enumerate(rows):
        key = ("row", index) if row.chat is None else ("chat", row.chat)
        units.setdefault(key, []).append(index)
    return list(units.values())


def _fit_epoch(
    gradient: BatchGradient,
    batches: Iterator[list[DemonstrationRow]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    settings: FitSettings,
    on_step: Callable[[int], None],
) -> tuple[float, float]:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    loss, num_correct, num_tokens = 0.0, 0, 0
    for rows in batches:
        score = gradient.backward(rows)
        torch.nn.utils.clip_grad_norm_(parameters, settings.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        loss += score.loss
        num_correct += score.num_correct
        num_tokens += score.num_tokens
        on_step(len(rows))
    return loss / num_tokens, num_correct / num_tokens


class _Told:
    """Tells the progress within an epoch, at most every ten seconds."""

    def __init__(
        self,
        progress: Progress | None,
        num_rows: Sequence[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Tell ``progress``; ``num_rows`` are those of each epoch."""
        self._progress, self._num_rows, self._clock = progress, num_rows, clock
        self._start = self._last = clock()
        self._epoch = self._done = 0

    def start_epoch(self, epoch: int) -> None:
        """Count from the first row of an epoch, whose number starts at 1."""
        self._epoch, self._done = epoch, 0

    def step(self, num_rows: int) -> None:
        """Count the rows of an optimiser step."""
        self._done += num_rows
        now = self._clock()
        if self._progress is None or now - self._last < _TELL_EVERY_S:
            return
        self._last = now
        of_epoch = self._num_rows[self._epoch - 1]
        done = sum(self._num_rows[: self._epoch - 1]) + self._done
        left_s = (now - self._start) * (sum(self._num_rows) - done) / done
        self._progress(
            StepProgress(self._epoch, len(self._num_rows), self._done / of_epoch, left_s)
        )
