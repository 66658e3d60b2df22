"""The Learner's RLModule: a Hugging Face causal language model that scores response tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import nn

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.models.causal_lm import load_causal_lm, trunk_of
from rllib_gigpo.models.lora import adapter_weights, add_lora
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.models.model_adapter import ModelAdapter, NamedTensors, disable_dropout
from rllib_gigpo.models.vision.tower import tower_of
from rllib_gigpo.models.vision.trunk_choice import trunk_maker
from rllib_gigpo.rl_modules.critic import Critic, ModelCritic, make_critic

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings

# Keys of model_config.
# These two are also keys of the Learner's state.
CRITIC = "critic"
PROCESS_REWARD = "process_reward"
LORA = "lora"
FREEZE_TOWER = "freeze_tower"  # bool, of a model that reads images
SEED = "seed"  # for new weights
# Keys of a training batch and of its result.
MICRO_BATCH = "micro_batch"  # layout.micro_batch.MicroBatch
CHUNK_TOKENS = "chunk_tokens"  # int
ENTROPY_GRADIENT = "entropy_gradient"  # bool
LOGP = "logp"  # (S,) float32
ENTROPY = "entropy"  # (S,) float32
VALUES = "values"  # (B,) float32, only with a critic


class CausalLMModule(TorchRLModule):
    """A causal LM in training.

    ``model_config`` holds ``model_path``, and optionally ``dtype``, ``attn_implementation`` and
    ``gradient_checkpointing`` (see `models.causal_lm.load_causal_lm`), ``critic`` (see
    `rl_modules.critic.make_critic`), ``process_reward`` (bool), ``lora`` (see
    `models.lora_settings.LoraSettings`), ``freeze_tower`` (see
    `models.vision.image_settings.ImageSettings`) and ``seed``.
    """

    adapter: ModelAdapter
    critic: Critic | None
    process_reward: ModelAdapter | None
    lora: LoraSettings | None

    @classmethod
    def model_config_of(cls, settings: Settings, *, seed: int | None) -> dict[str, Any]:
        """Return the ``model_config`` for a run's settings."""
        model, critic = settings.model, settings.loss.critic
        return {
            "model_path": model.model_path,
            "dtype": model.dtype,
            "attn_implementation": model.attn_implementation,
            "gradient_checkpointing": model.gradient_checkpointing,
            CRITIC: None if critic is None else critic.name,
            PROCESS_REWARD: settings.loss.process_reward is not None,
            LORA: model.lora,
            FREEZE_TOWER: model.images.freeze_tower,
            SEED: seed,
        }

    @override(TorchRLModule)
    def setup(self) -> None:
        """Open the model.

        Raises:
            ConfigError: The folder does not hold a model that can be trained.
            GiGPOError: Building the model raised an AttributeError. `RLModuleSpec.build()` (Ray
                2.60) would mistake that for an outdated constructor, build again and hide it.
        """
        try:
            own = (CRITIC, PROCESS_REWARD, LORA, FREEZE_TOWER, SEED)
            settings = {k: v for k, v in self.model_config.items() if k not in own}
            model = load_causal_lm(**settings)
            make_trunk = trunk_maker(settings["model_path"])
            self.critic = make_critic(self.model_config.get(CRITIC), model, settings, make_trunk)
            self.process_reward = None
            if self.model_config.get(PROCESS_REWARD):
                self.process_reward = ModelAdapter(load_causal_lm(**settings), make_trunk)
            frozen = tower_of(trunk_of(model)) if self.model_config.get(FREEZE_TOWER) else {}
            self.lora = self.model_config.get(LORA)
            if self.lora is not None:
                seed = self.model_config.get(SEED) or 0
                add_lora(model, self.lora, seed=seed, without=list(frozen))
            for part in frozen.values():
                part.requires_grad_(False)
            for trunk in self._second_trunks() if frozen else ():
                for part in tower_of(trunk).values():
                    part.requires_grad_(False)
            self.adapter = ModelAdapter(model, make_trunk)
            disable_dropout(self)
        except AttributeError as error:
            raise GiGPOError(
                f"Building the model of {self.model_config} failed with AttributeError: {error}."
            ) from error

    @property
    def model(self) -> Any:
        """The Hugging Face causal LM."""
        return self.adapter.model

    @property
    def second_models(self) -> dict[str, nn.Module]:
        """What is trained beside the policy, by its key in the Learner's state."""
        known = {CRITIC: self.critic, PROCESS_REWARD: self.process_reward}
        return {key: model for key, model in known.items() if model is not None}

    def _second_trunks(self) -> Iterator[Any]:
        if isinstance(self.critic, ModelCritic):
            yield self.critic.backbone
        if self.process_reward is not None:
            yield trunk_of(self.process_reward.model)

    def train(self, mode: bool = True) -> CausalLMModule:
        """Set training mode, unless it is set: RLlib asks before each pass, over all layers."""
        return self if mode == self.training else super().train(mode)

    @override(TorchRLModule)
    def get_initial_state(self) -> dict[str, Any]:
        """Return no recurrent state: every row is whole."""
        return {}

    @override(TorchRLModule)
    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Score the response tokens of ``batch["micro_batch"]``."""
        micro_batch = batch[MICRO_BATCH]
        logp, entropy, trunk = self.adapter(
            micro_batch,
            chunk_tokens=batch[CHUNK_TOKENS],
            entropy_gradient=batch.get(ENTROPY_GRADIENT, False),
        )
        scores = {LOGP: logp, ENTROPY: entropy}
        if self.critic is not None:
            scores[VALUES] = self.critic(micro_batch, trunk)
        return scores

    @torch.no_grad()
    def values(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Return the critic's values for a micro-batch's states, (B,) float32."""
        assert self.critic is not None
        needs_trunk = not isinstance(self.critic, ModelCritic)
        trunk = self.adapter.states(micro_batch) if needs_trunk else torch.empty(0)
        return self.critic(micro_batch, trunk)

    @override(TorchRLModule)
    def get_state(
        self, *args: Any, inference_only: bool = False, **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """Return copies of the weights on the CPU, as tensors (NumPy has no bfloat16).

        RLlib sets ``inference_only`` for EnvRunners. They get nothing here: their engines take
        weights only through `WeightSync`, which counts versions and waits.
        """
        if inference_only:
            return {}
        return {name: _cpu_copy(value) for name, value in self.state_dict().items()}

    @override(TorchRLModule)
    def set_state(self, state: dict[str, Any]) -> None:
        """Load weights; unlike in RLlib, missing and unknown names are errors."""
        self.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})

    def weights(self, **options: Any) -> NamedTensors:
        """Yield (name, tensor) for the engine, on the model's device.

        Adapters are either merged, so the engine sees plain weights, or sent alone.

        Args:
            **options: See `models.lora.merged_weights`.
        """
        if self.lora is not None and self.lora.is_hot:
            return adapter_weights(self.model)
        return self.adapter.weights(**options)


def _cpu_copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True)
