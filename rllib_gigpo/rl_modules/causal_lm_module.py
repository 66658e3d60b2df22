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
from rllib_gigpo.models.lora import adapter_weights, add_lora, merged_weights
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.rl_modules.critic import Critic, ModelCritic, make_critic

# Keys of model_config.
CRITIC = "critic"  # of the Learner's state too
LORA = "lora"
SEED = "seed"  # of new weights
# Keys of a training batch and of its result.
MICRO_BATCH = "micro_batch"  # loss.packing.MicroBatch
CHUNK_TOKENS = "chunk_tokens"  # int
TEMPERATURE = "temperature"  # float
ENTROPY_GRADIENT = "entropy_gradient"  # bool
LOGP = "logp"  # (S,) float32
ENTROPY = "entropy"  # (S,) float32
VALUES = "values"  # (B,) float32, with a critic only

# A factor or a cap on the logits, which lies outside the output embedding and would be missed.
_LOGIT_TRANSFORMS = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class CausalLMModule(TorchRLModule):
    """A causal LM under training.

    ``model_config`` holds ``model_path``, and optionally ``dtype``, ``attn_implementation`` and
    ``gradient_checkpointing`` (see `models.causal_lm.load_causal_lm`), ``critic`` (see
    `rl_modules.critic.make_critic`), ``lora`` (see `models.lora_settings.LoraSettings`) and
    ``seed``.
    """

    model: nn.Module
    critic: Critic | None
    lora: LoraSettings | None

    @override(TorchRLModule)
    def setup(self) -> None:
        """Open the model.

        Raises:
            ConfigError: If the folder does not hold a model that can be trained.
            GiGPOError: In place of any AttributeError: `RLModuleSpec.build()` (Ray 2.60) takes that
                for an outdated constructor, builds again and hides the error.
        """
        try:
            own = (CRITIC, LORA, SEED)
            settings = {k: v for k, v in self.model_config.items() if k not in own}
            self.model = load_causal_lm(**settings)
            _check_logits(self.model.config)
            self.critic = make_critic(self.model_config.get(CRITIC), self.model, settings)
            self.lora = None
            if self.model_config.get(LORA) is not None:
                self.lora = LoraSettings.from_setting(self.model_config[LORA])
                add_lora(self.model, self.lora, seed=self.model_config.get(SEED) or 0)
            disable_dropout(self)
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
        model: Any = self.model
        micro_batch = batch[MICRO_BATCH]
        trunk = hidden_states(model, micro_batch)
        logp, entropy = response_log_probs(
            trunk[micro_batch.logit_positions],
            micro_batch.targets,
            model.get_output_embeddings(),
            chunk_tokens=batch[CHUNK_TOKENS],
            temperature=batch.get(TEMPERATURE, 1.0),
            entropy_gradient=batch.get(ENTROPY_GRADIENT, False),
        )
        scores = {LOGP: logp, ENTROPY: entropy}
        if self.critic is not None:
            scores[VALUES] = self.critic(micro_batch, trunk)
        return scores

    @torch.no_grad()
    def values(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Value the states of a micro-batch: (B,) float32, without log-probabilities."""
        assert self.critic is not None
        needs_trunk = not isinstance(self.critic, ModelCritic)
        trunk = hidden_states(self.model, micro_batch) if needs_trunk else torch.empty(0)
        return self.critic(micro_batch, trunk)

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
        Adapters are merged, so that an engine knows nothing of them, or are all that is sent.
        """
        is_hot = self.lora is not None and self.lora.is_hot
        for name, value in (adapter_weights if is_hot else merged_weights)(self.model):
            yield name, _cpu_copy(value)


def hidden_states(model: Any, micro_batch: MicroBatch) -> torch.Tensor:
    """Run a causal LM without its output embedding: (B·L, H) last hidden states."""
    output = model.base_model(input_ids=micro_batch.input_ids, use_cache=False)
    return output.last_hidden_state.flatten(0, 1)


def score_responses(
    model: Any, micro_batch: MicroBatch, *, chunk_tokens: int, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a causal LM over a micro-batch and score its response tokens only.

    Args:
        model: A Hugging Face causal LM.
        micro_batch: On the model's device.
        chunk_tokens: See `response_log_probs`.
        temperature: Of the sampling.

    Returns:
        logp (S,) and entropy (S,), float32.
    """
    return response_log_probs(
        hidden_states(model, micro_batch)[micro_batch.logit_positions],
        micro_batch.targets,
        model.get_output_embeddings(),
        chunk_tokens=chunk_tokens,
        temperature=temperature,
        entropy_gradient=False,
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
