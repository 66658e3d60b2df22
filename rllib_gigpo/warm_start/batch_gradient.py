"""How a batch of demonstrations becomes a gradient: in one pass, or in some that fit in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.media.row_images import RowImages
from rllib_gigpo.models.hardware.micro_batch_size import resolve_micro_batch_tokens
from rllib_gigpo.models.hardware.pass_memory import BYTES, PassMemory, shape_if_known
from rllib_gigpo.models.hardware.precision import autocast_context
from rllib_gigpo.models.layouts.layout_choice import make_layout
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.model_probe import probe
from rllib_gigpo.models.trunk import Trunk
from rllib_gigpo.warm_start.demonstrations import DemonstrationRow

_IGNORED = -100  # label of positions without a loss; the default of cross_entropy
_CHUNK_TOKENS = 512  # whose logits exist at a time
_NUM_MOMENTS = 2  # of AdamW


@dataclass(frozen=True, slots=True)
class BatchScore:
    """What a batch says about the model.

    Attributes:
        loss: Cross-entropy in nats, the sum over the response tokens.
        num_correct: Number of response tokens that the model finds most likely.
        num_tokens: Number of response tokens.
    """

    loss: float
    num_correct: int
    num_tokens: int


class BatchGradient(ABC):
    """Adds the gradient of a batch's objective to the model's parameters.

    The objective is the mean cross-entropy of the response tokens, plus a weight times the mean of
    the prompt tokens except the first.
    """

    @abstractmethod
    def backward(self, rows: Sequence[DemonstrationRow]) -> BatchScore:
        """Add the gradient of a batch of rows."""


class WholeBatch(BatchGradient):
    """One pass over the padded batch; for models of which that fits in memory."""

    def __init__(self, model: PreTrainedModel, *, prompt_loss_weight: float) -> None:
        """Score with ``model``, a causal language model on its device."""
        self._model = model
        self._prompt_loss_weight = prompt_loss_weight

    def backward(self, rows: Sequence[DemonstrationRow]) -> BatchScore:
        """Add the gradient; see the base class."""
        batch = make_batch(rows, device=self._model.device)
        loss = batch_loss(self._model, batch, with_prompts=self._prompt_loss_weight > 0)
        objective = loss.responses / loss.num_tokens
        if loss.prompts is not None:
            objective = objective + self._prompt_loss_weight * loss.prompts
        objective.backward()
        return BatchScore(float(loss.responses.detach()), loss.num_correct, loss.num_tokens)


class Accumulated(BatchGradient):
    """Micro-batches in the layout of the Learner: shared prefixes once, within the free memory.

    The division by the batch's number of tokens is exact, so the gradient is that of one pass.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        prompt_loss_weight: float,
        autocast_dtype: str | None,
        micro_batch_tokens: int | str = "auto",
        prefix_sharing: str | bool = "auto",
        make_trunk: Callable[[Any], Trunk] = Trunk,
    ) -> None:
        """Score with ``model``, a causal language model on its device.

        Args:
            model: The model.
            prompt_loss_weight: Weight of the prompt tokens' mean.
            autocast_dtype: Type of matrix products; None for that of the weights.
            micro_batch_tokens: Positions of a pass; "auto" by the free memory on a CPU.
            prefix_sharing: See `make_layout`.
            make_trunk: See `ModelAdapter`.

        Raises:
            ConfigError: The model's log-probs cannot be trusted; see `probe`.
        """
        self._adapter = ModelAdapter(model, make_trunk)
        probe(self._adapter)
        self._device = model.device
        self._prompt_loss_weight = prompt_loss_weight
        self._autocast_dtype = autocast_dtype
        self.micro_batch_tokens = resolve_micro_batch_tokens(
            micro_batch_tokens,
            _pass_memory(model, autocast_dtype),
            device=model.device,
            to_come=_bytes_to_come(model, autocast_dtype),
        )
        self._layout = make_layout(
            self._adapter,
            prefix_sharing,
            max_tokens=self.micro_batch_tokens,
            device=model.device,
            autocast_dtype=autocast_dtype,
        )

    def backward(self, rows: Sequence[DemonstrationRow]) -> BatchScore:
        """Add the gradient; see the base class."""
        token_rows, weights, is_response = self._laid_out(rows)
        loss, num_correct = 0.0, 0
        row_ids = np.arange(token_rows.num_rows)
        for micro_batch in self._layout.micro_batches(token_rows, row_ids):
            on_device = micro_batch.to(self._device)
            with autocast_context(self._device, self._autocast_dtype):
                hidden = self._adapter.hidden_states(on_device)
                logp, _ = self._adapter.response_scores(
                    on_device, hidden, chunk_tokens=_CHUNK_TOKENS
                )
                is_correct = self._is_most_likely(on_device, hidden)
            answers = is_response[on_device.token_indices]
            (-(weights[on_device.token_indices] * logp).sum()).backward()
            loss -= float(logp.detach()[answers].sum())
            num_correct += int(is_correct[answers].sum())
        return BatchScore(loss, num_correct, int(is_response.sum()))

    def _laid_out(
        self, rows: Sequence[DemonstrationRow]
    ) -> tuple[TokenRows, torch.Tensor, torch.Tensor]:
        """Return rows, the weight of each of their response tokens, and whether it is an answer's.

        The prompts to learn are rows too: their first token is the prompt of the others.
        """
        pairs = [(row.prompt_ids, row.response_ids) for row in rows]
        images = [row.images for row in rows]
        num_answers = len(pairs)
        if self._prompt_loss_weight > 0:
            long = [row for row in rows if len(row.prompt_ids) > 1]
            pairs += [(row.prompt_ids[:1], row.prompt_ids[1:]) for row in long]
            images += [row.images for row in long]
        lengths = np.array([len(response) for _, response in pairs])
        counts = (lengths[:num_answers].sum(), max(1, lengths[num_answers:].sum()))
        of_row = np.repeat(
            [1.0 / counts[0], self._prompt_loss_weight / counts[1]],
            [
                num_answers,
                len(pairs) - num_answers,
            ],
        )
        token_rows = TokenRows.from_rows(
            [prompt for prompt, _ in pairs],
            [response for _, response in pairs],
            rollout_logp=[np.zeros(length) for length in lengths],
            advantages=np.zeros(lengths.sum()),
            minibatch_ids=np.zeros(len(pairs), dtype=np.int64),
            num_minibatches=1,
            images=RowImages.of(images),
        )
        weights = torch.from_numpy(np.repeat(of_row, lengths)).float().to(self._device)
        is_answer = np.repeat(np.arange(len(pairs)) < num_answers, lengths)
        return token_rows, weights, torch.from_numpy(is_answer).to(self._device)

    @torch.no_grad()
    def _is_most_likely(self, micro_batch: MicroBatch, hidden: torch.Tensor) -> torch.Tensor:
        """Return whether each response token is the most likely one, (S,) bool."""
        states = hidden.detach()[micro_batch.logit_positions].split(_CHUNK_TOKENS)
        best = torch.cat([self._adapter.logits(part).argmax(dim=-1) for part in states])
        return micro_batch.per_token(best == micro_batch.targets)


def _pass_memory(model: PreTrainedModel, autocast_dtype: str | None) -> PassMemory | None:
    shape = shape_if_known(model.config, model.num_parameters())
    if shape is None:
        return None
    return PassMemory(
        shape=shape,
        weights=str(model.dtype).removeprefix("torch."),
        autocast=autocast_dtype,
        gradient_checkpointing=False,
        chunk_tokens=_CHUNK_TOKENS,
        is_on_cpu=model.device.type == "cpu",
        has_trees=True,
    )


def _bytes_to_come(model: PreTrainedModel, autocast_dtype: str | None) -> int:
    """Return the bytes of gradients, moments and weights in the type of the products."""
    weights = sum(parameter.nbytes for parameter in model.parameters())
    copy = 0 if autocast_dtype is None else model.num_parameters() * BYTES[autocast_dtype]
    return (1 + _NUM_MOMENTS) * weights + copy


# ---------------------------------------------------------------- one padded pass


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
