"""The settings of a warm start, as plain values that can be written as JSON and hashed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rllib_gigpo.models.hardware.precision import AUTO

Number = TypeVar("Number", int, float)

_NUM_TASKS_OF_BASE = 24
_BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """Format of prompts and responses; use the same values in the training run.

    The defaults suit a model of a few million parameters: short prompts, and only the action as
    the response.

    Attributes:
        style: "step" for one prompt a step, "conversation" for one chat an episode; "auto" for a
            chat if the environment has tools.
        tools: The format of tool calls: a name, "auto" for that of the chat template (Hermes' for a
            new model), or None for no tools.
        template: Prompt template: the name of a shipped one, a path or its source.
        history_length: Number of past turns in the prompt; a conversation shows all.
        max_prompt_tokens: Upper bound on the length of a prompt, in tokens.
        action_tag: Tag around the action; None for the bare action.
        think_tag: Tag around the thought; None for no tag.
        require_think: Whether responses need a thought; demonstrations then have an empty one.
        system_prompt: Text of the system message; None for no message.
        chat_template_kwargs: Keyword arguments for the chat template.
        max_prompt_images: Upper bound on the number of images in a prompt.
        sub_goals: Whether responses keep or switch a sub-goal; that of a demonstration is its
            action.
    """

    style: str = "auto"
    tools: str | None = "auto"
    template: str = "compact"
    history_length: int = 3
    max_prompt_tokens: int = 512
    action_tag: str | None = None
    think_tag: str | None = None
    require_think: bool = False
    system_prompt: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    max_prompt_images: int = 8
    sub_goals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationSettings:
    """How to play demonstrations.

    Attributes:
        num_tasks: Number of training tasks to play, the first ones. None: all for the tiny model,
            24 for a base model, which knows language already.
        random_action_probability: Chance of executing a random admissible action instead of the
            expert's, so that demonstrations also show the expert off its path.
        random_label_probability: Chance that a turn's label is a random admissible action instead
            of the expert's. Such turns teach valid answers, not good ones, so the chance sets how
            much is left to learn by reinforcement. Every epoch draws again. None: 0.5 for the tiny
            model, 0 for a base model.
        episodes_per_seed: Number of episodes per training seed.
        max_episode_steps: Maximum steps per episode, for environments that might not end.
    """

    num_tasks: int | None = None
    random_action_probability: float = 0.6
    random_label_probability: float | None = None
    episodes_per_seed: int = 1
    max_episode_steps: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModelSettings:
    """Size of the model that is built if no base model is given; see ``build_model``.

    If observations show images, it is an Idefics3 with a small vision transformer of the same width
    and depth; see ``build_vision_model``.

    Attributes:
        vocab_size: Upper bound on the size of the vocabulary.
        hidden_size: Width.
        num_layers: Number of transformer blocks.
        num_heads: Number of attention heads.
        max_position_embeddings: Maximum length of prompt and response together, in tokens.
        image_size: Side of the square to which images are resized, in pixels. None: 80.
        patch_size: Side of a patch, which is one token of the prompt, in pixels. None: 16.
    """

    vocab_size: int = 1024
    hidden_size: int = 96
    num_layers: int = 2
    num_heads: int = 3
    max_position_embeddings: int = 1024
    image_size: int | None = None
    patch_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How to fit the model to the demonstrations.

    Attributes:
        num_epochs: Number of passes over the demonstrations.
        lr: Highest learning rate of AdamW. None: 3e-3 for the tiny model, 1e-5 for a base model.
        lr_schedule: Decay to zero after the warm-up: ``"cosine"``, ``"linear"``, or ``"constant"``
            for no decay.
        warmup_fraction: Share of all optimiser steps in which the learning rate rises linearly.
        batch_tokens: Upper bound on the prompt and response tokens of a batch. None: 2048. A base
            model computes it in passes that fit in the free memory, shared prefixes once.
        autocast_dtype: Type of matrix products: "float32", "bfloat16", or "auto" for bfloat16 where
            it is faster. None: "float32" for the tiny model, "auto" for a base model.
        weight_decay: Weight decay of AdamW.
        grad_clip: Upper bound on the gradient's norm.
        prompt_loss_weight: Weight of the mean cross-entropy over prompt tokens, which is added to
            the mean over response tokens. Above 0, the model also learns to predict the prompts.
            If these repeat names, it learns to copy them, which responses alone hardly teach a new
            model. Needs logits everywhere, so memory grows with the vocabulary.
    """

    num_epochs: int = 4
    lr: float | None = None
    lr_schedule: str = "cosine"
    warmup_fraction: float = 0.05
    batch_tokens: int | None = None
    autocast_dtype: str | None = None
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    prompt_loss_weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartSettings:
    """All settings of a warm start; equal settings give the same model.

    Attributes:
        env: Gymnasium id, for example ``"rllib_gigpo.envs:TextWorld-v0"``.
        seeds: The training tasks to demonstrate. No other seed is used.
        env_config: Keyword arguments of the environment; they must be writable as JSON.
        base_model: Hugging Face folder of the model to fit, whose tokenizer is kept; None builds a
            tiny Qwen2 with its own tokenizer.
        seed: Seed of the random actions, the initial weights and the order of the batches.
        prompting: Format of prompts and responses.
        demonstrations: How to play demonstrations.
        tiny_model: Size of the tiny model; do not set it with ``base_model``.
        fit: How to fit the model.
    """

    env: str
    seeds: tuple[int, ...]
    env_config: Mapping[str, Any] = field(default_factory=dict)
    base_model: str | None = None
    seed: int = 0
    prompting: PromptSettings = field(default_factory=PromptSettings)
    demonstrations: DemonstrationSettings = field(default_factory=DemonstrationSettings)
    tiny_model: TinyModelSettings = field(default_factory=TinyModelSettings)
    fit: FitSettings = field(default_factory=FitSettings)

    @property
    def lr(self) -> float:
        """Highest learning rate: as set, or the default for the kind of model."""
        return self.fit.lr if self.fit.lr is not None else self._by_kind(tiny=3e-3, base=1e-5)

    @property
    def batch_tokens(self) -> int:
        """Upper bound on a batch's tokens: as set, or the default."""
        return self.fit.batch_tokens or _BATCH_TOKENS

    @property
    def autocast_dtype(self) -> str:
        """Type of matrix products: as set, or the default for the kind of model."""
        return self.fit.autocast_dtype or ("float32" if self.base_model is None else AUTO)

    @property
    def played_seeds(self) -> tuple[int, ...]:
        """The training tasks that are demonstrated."""
        given = self.demonstrations.num_tasks
        all_of_them = len(self.seeds)
        return self.seeds[: given or self._by_kind(tiny=all_of_them, base=_NUM_TASKS_OF_BASE)]

    @property
    def random_label_probability(self) -> float:
        """Chance of a random label: as set, or the default for the kind of model."""
        given = self.demonstrations.random_label_probability
        return given if given is not None else self._by_kind(tiny=0.5, base=0.0)

    def _by_kind(self, *, tiny: Number, base: Number) -> Number:
        return tiny if self.base_model is None else base
