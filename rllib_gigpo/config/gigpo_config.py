"""The config, with every setting in one of RLlib's fluent setters; `gigpo.py` adds the Algorithm.

The setters only store values, because Tune passes search spaces through them. `validate()` builds
the sections (`config/sections/`) and reports all mistakes at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.utils.annotations import override
from ray.util.debug import log_once

from rllib_gigpo.config import sections
from rllib_gigpo.config.fluent import setter
from rllib_gigpo.config.presets import preset_settings
from rllib_gigpo.config.rllib_parts import RLlibParts
from rllib_gigpo.config.rllib_settings import rllib_mistakes
from rllib_gigpo.env_runner.callback_checks import callback_mistakes
from rllib_gigpo.options.merge import merged
from rllib_gigpo.panels.panel import load_panel
from rllib_gigpo.panels.panel_environment import evaluation_environment
from rllib_gigpo.ray_advice import hide_advice

# A rule, a loss, ...: a name, a dict of name and options, a class, a function or an object.
Variant = str | Mapping[str, Any] | type | Callable[..., Any]
# A dict of options, or its short form.
Options = Mapping[str, Any] | str | bool | None

hide_advice()


class BaseGiGPOConfig(RLlibParts):
    """All settings of a run; `GiGPOConfig` adds the Algorithm."""

    def __init__(self, algo_class: type | None = None) -> None:
        """Set all defaults; ``algo_class`` is the Algorithm that `build_algo()` builds."""
        super().__init__(algo_class=algo_class)
        for name, field in sections.FIELDS.items():
            setattr(self, name, copy.copy(field.get_default()))

    @classmethod
    def preset(cls, name: str) -> Self:
        """Start from the settings of a publication or script, without model and environment.

        Args:
            name: A name such as "gigpo-verl-agent"; docs/presets.md lists them all.

        Raises:
            ConfigError: There is no preset of this name.
        """
        return cls()._store(preset_settings(name))

    @setter(sections.model.ModelSection)
    def llm(
        self,
        *,
        model_path: str | None = NotProvided,
        dtype: str = NotProvided,
        autocast_dtype: str | None = NotProvided,
        attn_implementation: str = NotProvided,
        gradient_checkpointing: bool = NotProvided,
        lora: Options = NotProvided,
        chat_template_kwargs: Mapping[str, Any] = NotProvided,
        system_prompt: str | None = NotProvided,
        images: Options = NotProvided,
        max_prompt_tokens: int = NotProvided,
        max_response_tokens: int = NotProvided,
    ) -> Self:
        """Set the language model and the size of its context."""
        return self

    @setter(sections.inference.InferenceSection)
    def inference(
        self,
        *,
        engine: str = NotProvided,
        engine_dtype: str | None = NotProvided,
        tensor_parallel_size: int = NotProvided,
        eval_sampling: Options = NotProvided,
        engine_kwargs: Mapping[str, Any] = NotProvided,
        share_gpu: bool = NotProvided,
        max_concurrent_episodes: int | None = NotProvided,
        weight_sync: Variant = NotProvided,
        engine_timeout_s: float = NotProvided,
        weight_sync_timeout_s: float = NotProvided,
    ) -> Self:
        """Set the inference engine of the EnvRunners, and how evaluation samples."""
        return self

    @setter(sections.prompts.PromptSection)
    def prompting(
        self,
        *,
        style: str = NotProvided,
        tools: Any = NotProvided,
        template: str = NotProvided,
        history_length: int = NotProvided,
        memory: Any = NotProvided,
        action_tag: str | None = NotProvided,
        think_tag: str | None = NotProvided,
        require_think: bool = NotProvided,
        sub_goals: bool = NotProvided,
        action_parser: Any = NotProvided,
        observation_to_text: Callable[[Any], str] | str | None = NotProvided,
    ) -> Self:
        """Set how an observation becomes a prompt and an answer becomes an action."""
        return self

    @setter(sections.tasks.TaskSection)
    def tasks(
        self,
        *,
        num_train_tasks: int | None = NotProvided,
        first_train_task: int = NotProvided,
        task_period: int = NotProvided,
        num_test_tasks: int = NotProvided,
        first_test_task: int = NotProvided,
        panel: str | None = NotProvided,
        max_episode_steps: int = NotProvided,
    ) -> Self:
        """Set the environment seeds for training, and what evaluation plays."""
        return self

    @override(AlgorithmConfig)
    @setter(sections.runtime.EnvRunnerSection)
    def env_runners(
        self,
        *,
        num_env_workers: int = NotProvided,
        num_cpus_per_env_worker: float = NotProvided,
        num_env_threads: int | None = NotProvided,
        overdue_group_s: float = NotProvided,
        max_lost_group_rate: float = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Set where the environments run; RLlib's own options are passed on."""
        return self

    @setter(sections.runtime.AsyncSection)
    def async_training(self, *, max_staleness: int = NotProvided) -> Self:
        """Sample while the Learner updates."""
        return self

    @override(AlgorithmConfig)
    @setter(sections.runtime.LearnerSection)
    def learners(
        self,
        *,
        sharding: Variant = NotProvided,
        update_timeout_s: float = NotProvided,
        prefix_sharing: str | bool = NotProvided,
        minibatch_by: str = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Set how Learners share the model and lay out rows; RLlib's options are passed on."""
        return self

    @override(AlgorithmConfig)
    @setter(sections.runtime.ReportingSection)
    def reporting(self, *, transcripts: Options = NotProvided, **kwargs: Any) -> Self:
        """Set which transcripts are written; RLlib's own options are passed on."""
        return self

    @override(AlgorithmConfig)
    @setter(
        sections.credit.CreditSection,
        sections.loss.LossSection,
        sections.optimizer.OptimizerSection,
    )
    def training(
        self,
        *,
        group_size: int = NotProvided,
        num_groups: int = NotProvided,
        group_plan: Variant = NotProvided,
        step_weight: float = NotProvided,
        episode_weight: float = NotProvided,
        rule: Variant = NotProvided,
        anchor: Variant = NotProvided,
        advantages: Options = NotProvided,
        penalties: Options = NotProvided,
        uncertainty_reward: Options = NotProvided,
        dynamic_sampling: Options = NotProvided,
        clip_param: float = NotProvided,
        policy_loss: Variant = NotProvided,
        loss_aggregation: Variant = NotProvided,
        kl_coeff: float = NotProvided,
        kl: Options = NotProvided,
        old_logp: str = NotProvided,
        strict_ratio: bool | None = NotProvided,
        importance_sampling: Options = NotProvided,
        entropy_coeff: float = NotProvided,
        critic: Options = NotProvided,
        process_reward: Options = NotProvided,
        optim: Variant = NotProvided,
        lr_schedule: Variant = NotProvided,
        num_minibatches: int = NotProvided,
        max_skipped_updates: int = NotProvided,
        micro_batch_tokens: int | str = NotProvided,
        logp_chunk_tokens: int = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Set groups, credit, loss and optimiser; RLlib's own options are passed on."""
        return self

    def _store(self, values: Mapping[str, Any]) -> Self:
        """Set the given attributes, except those that are `NotProvided`."""
        if self._is_frozen:
            raise AttributeError("This config is frozen; change a config.copy(copy_frozen=False)")
        for name, value in values.items():
            if value is not NotProvided:
                setattr(self, name, merged(sections.FIELDS[name], getattr(self, name), value))
        return self

    @override(AlgorithmConfig)
    def update_from_dict(self, config_dict: Mapping[str, Any]) -> Self:
        """Change settings; a nested dict of options is merged into the current value."""
        own = {name: value for name, value in config_dict.items() if name in sections.FIELDS}
        self._store(own)
        return super().update_from_dict(
            {name: value for name, value in config_dict.items() if name not in own}
        )

    @property
    def settings(self) -> sections.Settings:
        """The settings as frozen sections, built from the config's values.

        Raises:
            ConfigError: There are mistakes; the message lists each with what to do.
        """
        settings, mistakes = sections.read(self)
        sections.refuse(mistakes)
        assert settings is not None
        return settings

    def evaluated(self) -> Self:
        """Return a copy for evaluation: with the changes of ``evaluation_config``, on its panel."""
        config = self.copy(copy_frozen=False).update_from_dict(dict(self.evaluation_config or {}))
        config.in_evaluation = True
        if config.panel is not None:
            panel = load_panel(config.panel)
            config.env, config.env_config = evaluation_environment(panel, config)
        return config

    @override(AlgorithmConfig)
    def validate(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: There are mistakes; the message lists each with what to do.
        """
        # RLlib derives the evaluation config, with settings of its own, from a checked config.
        if not self.in_evaluation:
            default = type(self)(algo_class=self.algo_class)
            mistakes = [*sections.read(self)[1], *rllib_mistakes(self, default)]
            if not mistakes:
                other = self.evaluated()
                of_evaluation = [*sections.read(other)[1], *callback_mistakes(other)]
                mistakes = [f"evaluation_config: {one}" for one in of_evaluation]
            sections.refuse(mistakes)
        # Remote EnvRunners hold the engines; a local one would load a second model on the driver.
        self.create_local_env_runner = self.num_env_runners == 0
        # Suppresses RLlib's advice to switch off the new API stack, the only one supported here.
        log_once(f"{self.algo_class.__name__}_on_new_api_stack")
        super().validate()
