"""The one place that knows how to run a Hugging Face causal LM on a micro-batch.

It needs only torch and transformers, not Ray or pydantic, so any machine with a GPU can test it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from rllib_gigpo.loss.log_probs import response_log_probs
from rllib_gigpo.loss.packing import MicroBatch
from rllib_gigpo.models.lora import merged_weights

NamedTensors = Iterator[tuple[str, torch.Tensor]]


class ModelAdapter:
    """The hidden states, output head, logit transform and weights of a causal LM."""

    def __init__(self, model: Any) -> None:
        """Wrap ``model``, a Hugging Face causal LM with or without adapters."""
        self.model = model
        self._transform = logit_transform(model.config.get_text_config())

    def hidden_states(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Run the model up to its last hidden states, (B·L, H)."""
        output = self.model.base_model(input_ids=micro_batch.input_ids, use_cache=False)
        return output.last_hidden_state.flatten(0, 1)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Run the output embedding and the logit transform: (C, H) -> (C, V)."""
        return self._transform(self.model.get_output_embeddings()(hidden))

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
        return response_log_probs(
            hidden[micro_batch.logit_positions],
            micro_batch.targets,
            self.logits,
            chunk_tokens=chunk_tokens,
            entropy_gradient=entropy_gradient,
        )

    def weights(self) -> NamedTensors:
        """Yield (Hugging Face name, tensor), with adapters merged and a tied ``lm_head.weight``.

        Without the tied head, an engine that keeps its own output matrix would go stale.
        """
        return merged_weights(self.model)


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
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        # Attention layers in transformers keep their dropout rate as a plain number.
        if isinstance(getattr(module, "attention_dropout", None), float):
            setattr(module, "attention_dropout", 0.0)  # noqa: B010 - not a declared attribute
