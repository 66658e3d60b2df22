"""Supervised fitting: raises the log-probability of what was demonstrated."""

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

_IGNORED = -100  # label of positions that are not learnt; cross_entropy's own default


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of similar length side by side.

    Attributes:
        input_ids: (B, L) int64; prompt and response, padded at the right with any id.
        labels: (B, L) int64; at position t the token at t + 1 if it is of the response, else -100.
        prompt_labels: (B, L) int64; the same for the tokens of the prompt.
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
    """Fits ``model`` in place and returns the state after each epoch.

    Args:
        model: a causal language model in training mode, on the device to fit on.
        epochs: what to learn, the rows of each pass.
        settings: schedule and optimiser.
        lr: highest learning rate.
        batch_tokens: upper bound of a batch's tokens.
        seed: of the order of the rows.
        progress: called after each epoch.

    Raises:
        ConfigError: if an epoch has no rows, or ``settings.lr_schedule`` is unknown.
    """
    if not epochs or not all(epochs):
        raise ConfigError("There are no demonstrations to fit to; give more seeds.")
    rng = np.random.default_rng(seed)
    num_steps = sum(len(plan_batches(rows, batch_tokens, rng=rng)) for rows in epochs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=settings.weight_decay)
    # The number of batches differs a little from epoch to epoch; the schedule ends at zero all the
    # same.
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
    """Returns the factor of the learning rate at one optimiser step: linear rise, then decay.

    Args:
        settings: schedule and warm-up.
        step: number of the step, from 0.
        num_steps: number of all steps.

    Raises:
        ConfigError: if ``settings.lr_schedule`` is unknown.
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
    """Groups rows of similar length, so that padding is next to nothing, and shuffles the groups.

    Args:
        rows: the rows.
        batch_tokens: upper bound of rows times longest row; a longer row stands alone.
        rng: decides the order of the batches, and which of equally long rows meet.

    Returns:
        Indices of the rows of each batch; every row occurs once.
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
    """Pads rows to one length.

    Args:
        rows: the rows, B of them.
        device: where the tensors go.
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
        responses: sum over the response tokens.
        prompts: mean over the prompt tokens but the first; None where there are none, or it was
            not asked for.
        num_correct: response tokens that were the most likely one.
        num_tokens: response tokens.
    """

    responses: torch.Tensor
    prompts: torch.Tensor | None
    num_correct: int
    num_tokens: int


def batch_loss(model: PreTrainedModel, batch: Batch, *, with_prompts: bool = False) -> BatchLoss:
    """Returns the loss of a batch's response tokens and, if asked for, of its prompt tokens.

    Args:
        model: the model.
        batch: padded at the right, where a causal model looks at no padding: no mask is needed.
        with_prompts: whether to compute the loss of the prompts, which takes logits everywhere.
    """
    learnt = batch.labels != _IGNORED
    if with_prompts:
        learnt = learnt | (batch.prompt_labels != _IGNORED)
    # Logits only where some row has a label: the prompts' would cost most of the memory.
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
