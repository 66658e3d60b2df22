"""The one place that knows how to run a Hugging Face causal LM on a micro-batch.

It needs only torch and transformers, not Ray or pydantic, so any machine with a GPU can test it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import nn

from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.loss.log_probs import response_log_probs
from rllib_gigpo.models.causal_lm import trunk_of
from rllib_gigpo.models.checkpoint_names import CheckpointNames
from rllib_gigpo.models.lora import merged_weights
from rllib_gigpo.models.own_head import OwnHead
from rllib_gigpo.models.trunk import Trunk

# In transformers' names: attention_dropout, resid_pdrop, layerdrop, drop_path_rate, jitter_noise.
_RANDOM = ("drop", "jitter")

NamedTensors = Iterator[tuple[str, torch.Tensor]]


class ModelAdapter(nn.Module):
    """The hidden states, output head, logit transform and weights of a causal LM.

    A sharded model gathers its weights only for a pass: a call of the adapter, or one of `PASSES`.
    The other methods are parts of a pass.
    """

    PASSES: ClassVar = ("states", "position_logits", "own_logits", "use_own_head")

    def __init__(self, model: Any, make_trunk: Callable[[Any], Trunk] = Trunk) -> None:
        """Wrap a model.

        Args:
            model: A Hugging Face causal LM with or without adapters.
            make_trunk: Builds the trunk from transformers' module; for images, a `VisionTrunk`.
        """
        super().__init__()
        self.model = model
        self._make_trunk = make_trunk
        self.trunk = make_trunk(trunk_of(model))
        self._transform = logit_transform(model.config.get_text_config())
        self._own_head: OwnHead | None = None

    def around(self, model: Any) -> ModelAdapter:
        """Return an adapter of another model of the same kind."""
        return ModelAdapter(model, self._make_trunk)

    def forward(
        self, micro_batch: MicroBatch, *, chunk_tokens: int, entropy_gradient: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Score the response tokens of a micro-batch; see `response_scores`.

        Returns:
            logp (S,) and entropy (S,), float32, and the last hidden states (B·L, H).
        """
        hidden = self.hidden_states(micro_batch)
        scores = self.response_scores(
            micro_batch, hidden, chunk_tokens=chunk_tokens, entropy_gradient=entropy_gradient
        )
        return *scores, hidden

    def states(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Return the last hidden states alone, (B·L, H)."""
        return self.hidden_states(micro_batch)

    def position_logits(self, micro_batch: MicroBatch, *, chunk_tokens: int) -> torch.Tensor:
        """Return the logits at every position as the loss computes them, (B·L, V)."""
        hidden = self.hidden_states(micro_batch)
        return torch.cat([self.logits(chunk) for chunk in hidden.split(chunk_tokens)])

    def own_logits(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the logits of the model's own forward pass: (B, L) -> (B·L, V)."""
        return self.model(input_ids=input_ids, use_cache=False).logits.flatten(0, 1)

    @cached_property
    def _names(self) -> CheckpointNames:
        return CheckpointNames(self.model)

    def hidden_states(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Run the model up to its last hidden states, (B·L, H)."""
        return self.trunk(micro_batch)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Run the output embedding and the logit transform: (C, H) -> (C, V)."""
        if self._own_head is not None:
            return self._own_head(hidden)
        return self._transform(self.model.get_output_embeddings()(hidden))

    def use_own_head(self) -> None:
        """Leave the step to logits to the model, because `logit_transform` does not know it."""
        self._own_head = OwnHead(self.model)

    @property
    def has_own_head(self) -> bool:
        """Whether `use_own_head` was called."""
        return self._own_head is not None

    def response_scores(
        self,
        micro_batch: MicroBatch,
        hidden: torch.Tensor,
        *,
        chunk_tokens: int,
        entropy_gradient: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score the response tokens of a micro-batch.

        Args:
            micro_batch: A micro-batch on the model's device.
            hidden: The result of `hidden_states`.
            chunk_tokens: Number of rows of logits that exist at a time.
            entropy_gradient: Whether the entropy carries a gradient.

        Returns:
            logp (S,) and entropy (S,), float32.
        """
        logp, entropy = response_log_probs(
            hidden[micro_batch.logit_positions],
            micro_batch.targets,
            self.logits,
            chunk_tokens=chunk_tokens,
            entropy_gradient=entropy_gradient,
        )
        return micro_batch.per_token(logp), micro_batch.per_token(entropy)

    def weights(
        self, *, whole: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor
    ) -> NamedTensors:
        """Yield (name in the checkpoint, tensor), with adapters merged and a tied output head.

        Without the tied head, an engine that keeps its own output matrix would go stale.

        Args:
            whole: Returns the whole of a tensor that may be sharded; only tensors that are merged
                or converted need it.
        """
        return self._names.converted(merged_weights(self.model, whole=whole), whole)


def logit_transform(config: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the transform that a model applies to its logits after the output embedding.

    Args:
        config: The text part of the model's configuration.

    Returns:
        A function of logits (C, V): Cohere's factor, Granite's divisor, Gemma's soft cap
        (``cap·tanh(z / cap)``, Gemma 2, arXiv 2408.00118, section 2), or the identity.
    """
    scale = getattr(config, "logit_scale", None) or 1.0
    divisor = getattr(config, "logits_scaling", None) or 1.0
    cap = getattr(config, "final_logit_softcapping", None)

    def transform(logits: torch.Tensor) -> torch.Tensor:
        if scale != 1.0:
            logits = logits * scale
        if divisor != 1.0:
            logits = logits / divisor
        return logits if cap is None else cap * torch.tanh(logits / cap)

    return transform


def disable_dropout(model: nn.Module) -> None:
    """Set every dropout to 0: the ratio to the rollout must be 1 before the first step."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        _zero_rates(module)


def disable_config_dropout(model: Any) -> None:
    """Set the rates in the configuration to 0, too, for code that reads them in each pass."""
    _zero_rates(model.config)
    _zero_rates(model.config.get_text_config())


def zero_rates(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Yield the plain rates of a model's layers that are 0, each with its name."""
    for module in model.modules():
        for name in _rates(module):
            if getattr(module, name) == 0.0:
                yield module, name


def _zero_rates(owner: Any) -> None:
    """Set the plain numbers that are rates of dropout or noise to 0."""
    for name in _rates(owner):
        setattr(owner, name, 0.0)


def _rates(owner: Any) -> list[str]:
    return [
        name
        for name, value in vars(owner).items()
        if isinstance(value, float) and any(word in name for word in _RANDOM)
    ]
