"""Everything that a warm start depends on, as plain values that go into JSON and a hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """How prompts and responses look; give the run that follows the same values.

    The defaults suit a model of a few million parameters: few tokens, the bare action as response.

    Attributes:
        template: shipped name, path or source of the prompt template.
        history_length: number of past turns in the prompt.
        max_prompt_tokens: upper bound of a prompt's length in tokens.
        action_tag: tag around the action; None for the bare action.
        think_tag: tag around the thought; None for none.
        require_think: whether responses need a thought; demonstrations then hold an empty one.
        system_prompt: text of a system message; None for none.
        chat_template_kwargs: passed on to the chat template.
    """

    template: str = "compact"
    history_length: int = 3
    max_prompt_tokens: int = 512
    action_tag: str | None = None
    think_tag: str | None = None
    require_think: bool = False
    system_prompt: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationSettings:
    """How demonstrations are played.

    Attributes:
        random_action_probability: chance that an admissible action drawn at random is executed in
            place of the expert's, so that the expert is also seen off its path.
        random_label_probability: chance that a turn's label is an admissible action drawn at
            random, in place of the expert's. What is learnt from such turns is to answer validly,
            not to answer well: it sets how much there is left to learn by reinforcement. Drawn anew
            in every epoch. None: 0.5 for the tiny model, 0 for a base model.
        episodes_per_seed: number of episodes for each training seed.
        max_episode_steps: bound of an episode, for environments that do not end by themselves.
    """

    random_action_probability: float = 0.6
    random_label_probability: float | None = None
    episodes_per_seed: int = 1
    max_episode_steps: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModelSettings:
    """Size of the model that is built when no base model is given; see ``build_model``.

    Attributes:
        vocab_size: upper bound of the number of tokens.
        hidden_size: width.
        num_layers: number of transformer blocks.
        num_heads: number of attention heads.
        max_position_embeddings: longest prompt and response together, in tokens.
    """

    vocab_size: int = 1024
    hidden_size: int = 96
    num_layers: int = 2
    num_heads: int = 3
    max_position_embeddings: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How the model is fitted to the demonstrations.

    Attributes:
        num_epochs: passes over the demonstrations.
        lr: highest learning rate of AdamW. None: 3e-3 for the tiny model, 1e-5 for a base model.
        lr_schedule: decay after the warm-up, to zero: ``"cosine"``, ``"linear"``, or ``"constant"``
            for none.
        warmup_fraction: part of all optimiser steps in which the learning rate rises linearly.
        batch_tokens: upper bound of a batch's tokens, prompts and responses. None: 2048 for the
            tiny model, 16384 for a base model.
        weight_decay: of AdamW.
        grad_clip: bound of the gradient's norm.
        prompt_loss_weight: weight of the mean cross-entropy over prompt tokens, which is added to
            the mean over response tokens. Above 0 the model also learns to predict the prompts;
            where these repeat names, it learns by that to copy them, which answers alone hardly
            teach a new model. Takes logits everywhere: memory grows with the vocabulary.
    """

    num_epochs: int = 4
    lr: float | None = None
    lr_schedule: str = "cosine"
    warmup_fraction: float = 0.05
    batch_tokens: int | None = None
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    prompt_loss_weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartSettings:
    """Everything that goes into a warm start; equal settings give the same model.

    Attributes:
        env: Gymnasium id, for example ``"rllib_gigpo.envs:TextWorld-v0"``.
        seeds: the training tasks to demonstrate. No other seed is used.
        env_config: keyword arguments of the environment; must be writable as JSON.
        base_model: Hugging Face folder to start from, whose tokenizer is kept; None builds a tiny
            Qwen2 with a tokenizer of its own.
        seed: of the random actions, the initial weights and the order of the batches.
        prompting: how prompts and responses look.
        demonstrations: how demonstrations are played.
        tiny_model: size of the tiny model; without effect if ``base_model`` is given.
        fit: how the model is fitted.
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
        """Highest learning rate: as set, or the default of the kind of model."""
        return self.fit.lr if self.fit.lr is not None else self._by_kind(tiny=3e-3, base=1e-5)

    @property
    def batch_tokens(self) -> int:
        """Bound of a batch's tokens: as set, or the default of the kind of model."""
        given = self.fit.batch_tokens
        return given if given is not None else self._by_kind(tiny=2048, base=16384)

    @property
    def random_label_probability(self) -> float:
        """Chance of a random label: as set, or the default of the kind of model."""
        given = self.demonstrations.random_label_probability
        return given if given is not None else self._by_kind(tiny=0.5, base=0.0)

    def _by_kind(self, *, tiny: Number, base: Number) -> Number:
        return tiny if self.base_model is None else base
