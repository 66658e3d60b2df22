"""The Learner's RLModule: a Hugging Face causal language model that scores response tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import nn

from rllib_gigpo.errors import ConfigError, GiGPOError
from rllib_gigpo.loss.log_probs import response_log_probs
from rllib_gigpo.loss.packing import MicroBatch
from rllib_gigpo.models.causal_lm import load_causal_lm

# Keys of a training batch and of its result.
MICRO_BATCH = "micro_batch"  # loss.packing.MicroBatch
CHUNK_TOKENS = "chunk_tokens"  # int
TEMPERATURE = "temperature"  # float
ENTROPY_GRADIENT = "entropy_gradient"  # bool
LOGP = "logp"  # (S,) float32
ENTROPY = "entropy"  # (S,) float32

# A factor or a cap on the logits, which lies outside the output embedding and would be missed.
_LOGIT_TRANSFORMS = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class CausalLMModule(TorchRLModule):
    """A causal LM under training.

    ``model_config`` holds ``model_path``, and optionally ``dtype``, ``attn_implementation`` and
    ``gradient_checkpointing`` (see `models.causal_lm.load_causal_lm`).
    """

    model: nn.Module

    @override(TorchRLModule)
    def setup(self) -> None:
        """Open the model.

        Raises:
            ConfigError: If the folder does not hold a model that can be trained.
            GiGPOError: In place of any AttributeError: `RLModuleSpec.build()` (Ray 2.60) takes that
                for an outdated constructor, builds again and hides the error.
        """
        try:
            self.model = load_causal_lm(**self.model_config)
            _check_logits(self.model.config)
            disable_dropout(self.model)
        except AttributeError as error:
            raise GiGPOError(
                f"Building the model of {self.model_config} failed with AttributeError: {error}."
            ) from error

    @override(TorchRLModule)
    def get_initial_state(self) -> dict[str, Any]:
        """No recurrent state: every row is whole."""
        return {}

    @override(TorchRLModule)
    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Score the response tokens of ``batch["micro_batch"]``."""
        logp, entropy = score_responses(
            self.model,
            batch[MICRO_BATCH],
            chunk_tokens=batch[CHUNK_TOKENS],
            temperature=batch.get(TEMPERATURE, 1.0),
            entropy_gradient=batch.get(ENTROPY_GRADIENT, False),
        )
        return {LOGP: logp, ENTROPY: entropy}

    @override(TorchRLModule)
    def get_state(
        self, *args: Any, inference_only: bool = False, **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """Return copies of the weights on the CPU, as tensors (NumPy has no bfloat16).

        ``inference_only`` is how RLlib asks on behalf of EnvRunners. They get nothing here: their
        engines take weights through `weight_sync` only, which counts versions and waits.
        """
        if inference_only:
            return {}
        return {name: _cpu_copy(value) for name, value in self.state_dict().items()}

    @override(TorchRLModule)
    def set_state(self, state: dict[str, Any]) -> None:
        """Load weights; unlike RLlib's, missing and unknown names are errors."""
        self.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})

    def export_weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (Hugging Face name, copy on the CPU), a tied ``lm_head.weight`` included.

        Without it an engine that keeps its output matrix apart from its embedding goes stale.
        """
        for name, value in self.model.state_dict().items():
            yield name, _cpu_copy(value)


def score_responses(
    model: Any,
    micro_batch: MicroBatch,
    *,
    chunk_tokens: int,
    temperature: float = 1.0,
    entropy_gradient: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a causal LM over a micro-batch and score its response tokens only.

    Args:
        model: A Hugging Face causal LM.
        micro_batch: On the model's device.
        chunk_tokens: See `response_log_probs`.
        temperature: Of the sampling.
        entropy_gradient: Whether the entropy carries a gradient.

    Returns:
        logp (S,) and entropy (S,), float32.
    """
    hidden = model.base_model(input_ids=micro_batch.input_ids, use_cache=False).last_hidden_state
    return response_log_probs(
        hidden.flatten(0, 1)[micro_batch.logit_positions],
        micro_batch.targets,
        model.get_output_embeddings(),
        chunk_tokens=chunk_tokens,
        temperature=temperature,
        entropy_gradient=entropy_gradient,
    )


def disable_dropout(model: nn.Module) -> None:
    """Set every dropout to 0: before the first step the ratio to the rollout must be 1."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        # Attention layers of transformers keep their rate as a plain number.
        if isinstance(getattr(module, "attention_dropout", None), float):
            setattr(module, "attention_dropout", 0.0)  # noqa: B010 - not a declared attribute


def _check_logits(config: Any) -> None:
    found = {name: getattr(config, name, None) for name in _LOGIT_TRANSFORMS}
    active = {name: value for name, value in found.items() if value not in (None, 1, 1.0)}
    if active:
        raise ConfigError(
            f"This {config.model_type!r} model transforms its logits ({active}), which the chunked "
            "log-probabilities do not do; use a model without it."
        )


def _cpu_copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True)
