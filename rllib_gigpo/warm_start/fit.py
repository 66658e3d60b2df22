"""Supervised fitting of a model to the rows of demonstrations."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.warm_start.demonstrations import DemonstrationRow
from rllib_gigpo.warm_start.warm_start_progress import FitProgress, Progress
from rllib_gigpo.warm_start.warm_start_settings import FitSettings

_IGNORED = -100  # label of positions without a loss; the default of cross_entropy


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of similar length, padded to one length.

    Attributes:
        input_ids: (B, L) int64; prompt and response, padded on the right with any id.
        labels: (B, L) int64; at position t the token at t + 1 if it is in the response, else -100.
        prompt_labels: (B, L) int64; the same for the prompt tokens.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    prompt_labels: torch.Tensor


def fit(
    model: PreTrainedModel,
    epochs: Sequence[Sequence[DemonstrationRow]],
    settings: FitSettings,
    *,
    lr: float,
    batch_tokens: int,
    seed: int,
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
        progress: Called after each epoch.

    Raises:
        ConfigError: An epoch has no rows, or ``settings.lr_schedule`` is unknown.
    """
    if not epochs or not all(epochs):
        raise ConfigError("There are no demonstrations to fit; give more seeds.")
    rng = np.random.default_rng(seed)
    num_steps = sum(len(plan_batches(rows, batch_tokens, rng=rng)) for rows in epochs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=settings.weight_decay)
    # The number of batches varies a little between epochs; the schedule still ends at zero.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_factor(settings, step=step, num_steps=num_steps)
    )
    history = []
    for epoch, rows in enumerate(epochs, start=1):
        batches = _make_batches(rows, batch_tokens, rng=rng, device=model.device)
        loss, accuracy = _fit_epoch(model, batches, optimizer, schedule, settings)
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
            its own batch.
        rng: Determines the order of the batches and of equally long rows.

    Returns:
        The row indices of each batch; every row occurs once.
    """
    lengths = np.array([len(row.prompt_ids) + len(row.response_ids) for row in rows])
    shuffled = rng.permutation(len(rows))
    order = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        # Rows are sorted: the last one is the longest.
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > batch_tokens:
            batches.append(order[start:end])
            start = end
    return [batches[index] for index in rng.permutation(len(batches))]


def _make_batches(
    rows: Sequence[DemonstrationRow],
    batch_tokens: int,
    *,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[Batch]:
    for indices in plan_batches(rows, batch_tokens, rng=rng):
        yield make_batch([rows[index] for index in indices], device=device)


def make_batch(rows: Sequence[DemonstrationRow], *, device: torch.device | str = "cpu") -> Batch:
    """Pad rows to one length.

    Args:
        rows: The B rows.
        device: Device of the tensors.
    """
    longest = max(len(row.prompt_ids) + len(row.response_ids) for row in rows)
    input_ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), _IGNORED, dtype=torch.long)
    prompt_labels = labels.clone()
    for index, row in enumerate(rows):
        start, end = len(row.prompt_ids), len(row.prompt_ids) + len(row.response_ids)
        input_ids[index, :end] = torch.tensor([*row.prompt_ids, *row.response_ids])
        labels[index, start - 1 : end - 1] = torch.tensor(row.response_ids)
        prompt_labels[index, : start - 1] = torch.tensor(row.prompt_ids[1:])
    return Batch(*(tensor.to(device) for tensor in (input_ids, labels, prompt_labels)))


@dataclass(frozen=True, slots=True)
class BatchLoss:
    """Cross-entropy of a batch, in nats.

    Attributes:
        responses: Sum over the response tokens.
        prompts: Mean over the prompt tokens except the first; None if there are none, or if it
            was not requested.
        num_correct: Number of response tokens that the model finds most likely.
        num_tokens: Number of response tokens.
    """

    responses: torch.Tensor
    prompts: torch.Tensor | None
    num_correct: int
    num_tokens: int


def batch_loss(model: PreTrainedModel, batch: Batch, *, with_prompts: bool = False) -> BatchLoss:
    """Return the loss of a batch's response tokens and, on request, of its prompt tokens.

    Args:
        model: The model.
        batch: The batch. It needs no mask: a causal model does not see padding on the right.
        with_prompts: Whether to compute the loss of the prompts, which needs logits everywhere.
    """
    learnt = batch.labels != _IGNORED
    if with_prompts:
        learnt = learnt | (batch.prompt_labels != _IGNORED)
    # Compute logits only where some row has a label: those of prompts would use most memory.
    positions = learnt.any(dim=0).nonzero().squeeze(1)
    logits = model(input_ids=batch.input_ids, use_cache=False, logits_to_keep=positions).logits
    labels = batch.labels[:, positions]
    is_response = labels != _IGNORED
    answers, labels = logits[is_response].float(), labels[is_response]
    return BatchLoss(
        responses=functional.cross_entropy(answers, labels, reduction="sum"),
        prompts=_prompt_loss(logits, batch.prompt_labels[:, positions]) if with_prompts else None,
        num_correct=int((answers.argmax(dim=-1) == labels).sum()),
        num_tokens=labels.numel(),
    )


def _prompt_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
    is_prompt = labels != _IGNORED
    if not is_prompt.any():
        return None
    return functional.cross_entropy(logits[is_prompt].float(), labels[is_prompt])


def _fit_epoch(
    model: PreTrainedModel,
    batches: Iterator[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    settings: FitSettings,
) -> tuple[float, float]:
    total_loss, total_correct, total = 0.0, 0, 0
    for batch in batches:
        loss = batch_loss(model, batch, with_prompts=settings.prompt_loss_weight > 0)
        objective = loss.responses / loss.num_tokens
        if loss.prompts is not None:
            objective = objective + settings.prompt_loss_weight * loss.prompts
        objective.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        total_loss += float(loss.responses.detach())
        total_correct += loss.num_correct
        total += loss.num_tokens
    return total_loss / total, total_correct / total
