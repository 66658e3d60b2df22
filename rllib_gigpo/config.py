"""`GiGPOConfig`: every setting, by topic, through RLlib's fluent setters.

The setters only store, because Tune passes search spaces through them; `validate()` checks and
reports all mistakes at once (`config_checks.py`). Defaults are those of the published scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.annotations import override
from ray.util.debug import log_once

from rllib_gigpo.config_checks import all_mistakes
from rllib_gigpo.credit.anchors import AnchorMatch
from rllib_gigpo.credit.estimators import EstimatorSpec
from rllib_gigpo.credit.text_similarity import Ratio
from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.presets import preset_settings
from rllib_gigpo.setters import setter

if TYPE_CHECKING:
    from rllib_gigpo.warm_start import DemonstrationSettings, FitSettings, TinyModelSettings


class GiGPOConfig(AlgorithmConfig):
    """Settings of a GiGPO run.

    Example:
        >>> from rllib_gigpo import GiGPOConfig
        >>> config = (
        ...     GiGPOConfig()
        ...     .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 5})
        ...     .llm(model_path="path/to/a/hugging-face/folder")
        ...     .training(group_size=8, num_groups=16, step_weight=1.0)
        ... )
        >>> algorithm = config.build_algo()  # doctest: +SKIP
    """

    def __init__(self, algo_class: type | None = None) -> None:
        """Set every default; ``algo_class`` is the Algorithm that `build_algo()` makes."""
        if algo_class is None:
            from rllib_gigpo.gigpo import GiGPO

            algo_class = GiGPO
        super().__init__(algo_class=algo_class)
        self._set_llm_defaults()
        self._set_rollout_defaults()
        self._set_credit_defaults()
        self._set_update_defaults()
        self._set_host_defaults()

    @classmethod
    def preset(cls, name: str) -> Self:
        """Start from the settings of a publication or script; docs/algorithms.md lists them.

        Args:
            name: "gigpo-paper", "gigpo-verl-agent", "gigpo-roll", "gigpo-dapo", "grpo", "dapo",
                "gspo", "rloo", "hgpo", ...; see `presets.PRESETS`.

        Returns:
            A config without model and environment.

        Raises:
            ConfigError: There is no preset of this name.
        """
        return cls()._store(preset_settings(name))

    def _set_llm_defaults(self) -> None:
        self.model_path: str | None = None
        self.dtype = "float32"
        self.autocast_dtype: str | None = None
        self.attn_implementation = "sdpa"
        self.gradient_checkpointing = False
        self.lora: Mapping[str, Any] | None = None
        self.chat_template_kwargs: Mapping[str, Any] = {}
        self.system_prompt: str | None = None
        self.max_prompt_tokens = 2048
        self.max_response_tokens = 512

    def _set_rollout_defaults(self) -> None:
        self.engine: str | type = "vllm"
        self.engine_dtype: str | None = None
        self.tensor_parallel_size = 1
        self.temperature = 1.0
        self.top_p = 1.0
        self.top_k = 0
        self.eval_temperature = 0.4
        self.eval_top_p = 1.0
        self.eval_top_k = 0
        self.engine_kwargs: Mapping[str, Any] = {}
        self.share_gpu = False
        self.max_concurrent_episodes: int | None = None
        self.engine_timeout_s = 600.0
        self.weight_sync_timeout_s = 600.0
        self.template: str = "default"
        self.history_length = 2
        self.memory: Any = None
        self.action_tag: str | None = "action"
        self.think_tag: str | None = "think"
        self.require_think = False
        self.action_parser: Any = None
        self.observation_to_text: Callable[[Any], str] | str | None = None
        self.num_train_tasks: int | None = None
        self.first_train_task = 0
        self.task_period = 1
        self.num_test_tasks = 128
        self.first_test_task = FIRST_TEST_SEED
        self.max_episode_steps = 50
        self.num_env_workers = 0
        self.num_cpus_per_env_worker: float = 1
        self.num_env_threads = 0
        self.max_group_redraws = 5
        self.transcript_interval = 10
        self.transcript_groups = 1

    def _set_credit_defaults(self) -> None:
        self.estimator: EstimatorSpec = "gigpo"
        self.group_size = 8
        self.num_groups = 16
        self.gamma = 0.95
        self.step_weight = 1.0
        self.episode_weight = 1.0
        self.normalize_by_std: bool | None = None
        self.episode_baseline = "trajectory"
        self.lone_episode = "zero"
        self.reward_normalization: Mapping[str, str] | None = None
        self.return_baseline = "none"
        self.anchor_context = 2
        self.level_weight_alpha = 1.0
        self.level_offset = 1
        self.episode_term = False
        self.gae_lambda = 0.95
        self.critic: str | None = None
        self.critic_lr = 1e-5
        self.vf_loss_coeff = 1.0
        self.vf_clip_param: float | None = 0.5
        self.anchor: AnchorMatch = "exact"
        self.anchor_threshold = 0.9
        self.anchor_ratio: Ratio = "indel"
        self.anchor_within_trajectory = True
        self.whiten_advantages = False
        self.advantage_clip: float | None = None
        self.format_penalty = 0.0
        self.admissible_penalty = 0.0
        self.penalty_mode = "return"
        self.overlong_filter = False
        self.overlong_penalty = 1.0
        self.overlong_buffer_tokens = 0
        self.dynamic_sampling = False
        self.max_resamples = 10

    def _set_update_defaults(self) -> None:
        self.policy_loss = "ppo"
        self.clip_param = 0.2
        self.clip_param_high: float | None = None
        self.dual_clip: float | None = 3.0
        self.kl_coeff = 0.01
        self.kl_placement = "loss"
        self.kl_estimator = "k3"
        self.kl_target: float | None = None
        self.kl_horizon = 10_000
        self.old_logp = "rollout"
        self.importance_sampling: str | None = None
        self.importance_cap = 2.0
        self.importance_mask = False
        self.entropy_coeff = 0.001
        self.loss_aggregation = "token_mean"
        self.loss_constant: float | None = None
        self.grad_clip = 1.0
        self.lr = 1e-6
        self.optimizer_name = "adamw"
        self.weight_decay = 0.01
        self.adam_betas = (0.9, 0.999)
        self.adam_eps = 1e-8
        self.lr_schedule = "constant"
        self.lr_warmup_iterations = 0
        self.lr_decay_iterations: int | None = None
        self.lr_final_fraction = 0.0
        self.num_epochs = 1
        self.num_minibatches = 4
        self.micro_batch_tokens = 16384
        self.logp_chunk_tokens = 1024

    def _set_host_defaults(self) -> None:
        """RLlib's own settings that this Algorithm fixes: see ``config_checks.HOST_SETTINGS``."""
        from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner

        self.env_runner_cls = GroupEnvRunner
        self.batch_mode = "complete_episodes"
        self.episodes_to_numpy = False
        self.add_default_connectors_to_env_to_module_pipeline = False
        self.add_default_connectors_to_module_to_env_pipeline = False
        self.add_default_connectors_to_learner_pipeline = False
        self._dont_auto_sync_env_runner_states = True
        self.disable_env_checking = True
        self.validate_env_runners_after_construction = True
        # RLlib's 60 s would hand back an empty batch from a slow rollout; see platform notes.
        self.sample_timeout_s = 3600.0

    # ------------------------------------------------------------------ setters

    @setter(AlgorithmConfig)
    def llm(
        self,
        *,
        model_path: str | None = NotProvided,
        dtype: str = NotProvided,
        autocast_dtype: str | None = NotProvided,
        attn_implementation: str = NotProvided,
        gradient_checkpointing: bool = NotProvided,
        lora: Mapping[str, Any] | None = NotProvided,
        chat_template_kwargs: Mapping[str, Any] = NotProvided,
        system_prompt: str | None = NotProvided,
        max_prompt_tokens: int = NotProvided,
        max_response_tokens: int = NotProvided,
    ) -> Self:
        """Choose the language model and the size of its context.

        Args:
            model_path: A Hugging Face folder with weights, config and a tokenizer that has a chat
                template. Nothing is ever downloaded; `rllib_gigpo.warm_start` makes such a folder.
            dtype: Type of the Learner's weights and optimiser state ("float32" or "bfloat16").
                Keep float32 unless memory forbids it: small learning rates vanish in bfloat16.
            autocast_dtype: Type of the Learner's matrix products; "bfloat16" on a GPU, None for
                the weights' own type.
            attn_implementation: Hugging Face's name of the attention kernel.
            gradient_checkpointing: Recompute activations in the backward pass: less memory for
                about a third more time.
            lora: ``{"rank": 64, "alpha": 64, "target_modules": "all-linear"}`` trains adapters
                beside frozen weights, see `models.lora_settings`; None trains all weights.
            chat_template_kwargs: Passed to the chat template, for example
                ``{"enable_thinking": False}`` for Qwen3.
            system_prompt: Text of the system message; None for the template's own default.
            max_prompt_tokens: Longer prompts lose their oldest history, then the middle of the
                observation; they never fail.
            max_response_tokens: The engine stops an answer after so many tokens.
        """
        return self._store(locals())

    @setter(AlgorithmConfig)
    def warm_start(
        self,
        *,
        env: str | None = None,
        env_config: Mapping[str, Any] | None = None,
        base_model: str | None = None,
        demonstrations: DemonstrationSettings | None = None,
        tiny_model: TinyModelSettings | None = None,
        fit: FitSettings | None = None,
    ) -> Self:
        """Set ``model_path`` to a model that was fitted to the environment's expert, once.

        Call it after environment, training tasks and prompts, which are those of the config; fewer
        `tasks` set after it train a model that has seen more. The first call plays and fits, which
        takes some minutes, and says on stderr how far it is; later ones find the model in the
        cache.

        Args:
            env: Gymnasium id, where `environment` was given a class or a function.
            env_config: Keywords of the environment that differ for demonstrations.
            base_model: Hugging Face folder to fit; None for a new model of 0.3M parameters.
            demonstrations: How the expert plays; None for the defaults.
            tiny_model: Size of the new model; None for the defaults.
            fit: How the model is fitted; None for the defaults.

        Raises:
            ConfigError: If demonstrations cannot be played as the config says.
            EnvContractError: If the environment names no expert actions.
        """
        from rllib_gigpo.warm_start import print_progress, settings_for, warm_start

        settings = settings_for(
            self,
            env=env,
            env_config=env_config,
            base_model=base_model,
            demonstrations=demonstrations,
            tiny_model=tiny_model,
            fit=fit,
        )
        return self.llm(model_path=str(warm_start(settings, progress=print_progress)))

    @setter(AlgorithmConfig)
    def inference(
        self,
        *,
        engine: str | type = NotProvided,
        engine_dtype: str | None = NotProvided,
        tensor_parallel_size: int = NotProvided,
        temperature: float = NotProvided,
        top_p: float = NotProvided,
        top_k: int = NotProvided,
        eval_temperature: float = NotProvided,
        eval_top_p: float = NotProvided,
        eval_top_k: int = NotProvided,
        engine_kwargs: Mapping[str, Any] = NotProvided,
        share_gpu: bool = NotProvided,
        max_concurrent_episodes: int | None = NotProvided,
        engine_timeout_s: float = NotProvided,
        weight_sync_timeout_s: float = NotProvided,
    ) -> Self:
        """Choose the inference engine of the EnvRunners and how it samples.

        Args:
            engine: "vllm", "transformers" (slow and exact, for debugging), or the import path
                "package.module:Class" of an `InferenceEngine`.
            engine_dtype: Type of the engine's weights; None for the Learner's.
            tensor_parallel_size: GPUs per engine. Untested without GPUs.
            temperature: Of training; must be 1, because PPO's ratio compares the Learner's own
                distribution with the one that was sampled from.
            top_p: Of training; must be 1, for the same reason.
            top_k: Of training; must be 0 (off), for the same reason.
            eval_temperature: Of evaluation; 0 takes the most likely token.
            eval_top_p: Of evaluation.
            eval_top_k: Of evaluation; 0 for off.
            engine_kwargs: Passed to the engine's constructor, after our own.
            share_gpu: One GPU serves engine and Learner: the engine sleeps during the update.
                Untested without a GPU.
            max_concurrent_episodes: Episodes that one EnvRunner plays at a time; None for all.
            engine_timeout_s: Longest time without any progress of the engine.
            weight_sync_timeout_s: Longest wait for an EnvRunner to confirm new weights.
        """
        return self._store(locals())

    @setter(AlgorithmConfig)
    def prompting(
        self,
        *,
        template: str = NotProvided,
        history_length: int = NotProvided,
        memory: Any = NotProvided,
        action_tag: str | None = NotProvided,
        think_tag: str | None = NotProvided,
        require_think: bool = NotProvided,
        action_parser: Any = NotProvided,
        observation_to_text: Callable[[Any], str] | str | None = NotProvided,
    ) -> Self:
        """Choose how an observation becomes a prompt and an answer becomes an action.

        Args:
            template: Name of a shipped template, path of a ``.jinja`` file, or Jinja source.
            history_length: Past steps in the prompt.
            memory: A `prompting.memory.Memory`; None for the last ``history_length`` steps.
            action_tag: The action is what stands between ``<tag>`` and ``</tag>``; None takes the
                whole answer (for small models).
            think_tag: Name of the tag for reasoning.
            require_think: Whether an answer without reasoning is invalid.
            action_parser: An object with `ActionParser.parse`; None builds one from the tags.
            observation_to_text: For observations that are not text: a callable, or a Jinja template
                over a Dict observation.
        """
        return self._store(locals())

    @setter(AlgorithmConfig)
    def tasks(
        self,
        *,
        num_train_tasks: int | None = NotProvided,
        first_train_task: int = NotProvided,
        task_period: int = NotProvided,
        num_test_tasks: int = NotProvided,
        first_test_task: int = NotProvided,
        max_episode_steps: int = NotProvided,
    ) -> Self:
        """Choose which environment seeds are trained and which are tested on.

        Args:
            num_train_tasks: Consecutive seeds to train on, each once per pass; None for no bound.
            first_train_task: The lowest training seed.
            task_period: With k, seeds that leave the same remainder by k are tasks of one kind, and
                every k consecutive groups hold one of each: the sum of a mixture's shares.
            num_test_tasks: Consecutive seeds to evaluate on, one episode each.
            first_test_task: The lowest test seed; the two ranges must not meet.
            max_episode_steps: Longer episodes are truncated.
        """
        return self._store(locals())

    @setter(AlgorithmConfig)
    def transcripts(self, *, interval: int = NotProvided, num_groups: int = NotProvided) -> Self:
        """Choose how often whole episodes are written as JSONL, and how many.

        Args:
            interval: Every how many iterations; 0 for never.
            num_groups: Groups per file.
        """
        return self._store({"transcript_interval": interval, "transcript_groups": num_groups})

    @override(AlgorithmConfig)
    @setter(AlgorithmConfig)
    def env_runners(
        self,
        *,
        num_env_workers: int = NotProvided,
        num_cpus_per_env_worker: float = NotProvided,
        num_env_threads: int = NotProvided,
        max_group_redraws: int = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Choose where the environments run; RLlib's other arguments are passed on.

        Args:
            num_env_workers: Ray actors per EnvRunner that hold its environments; 0 keeps them in
                the EnvRunner's process.
            num_cpus_per_env_worker: What each of these actors asks of Ray.
            num_env_threads: Threads that step the environments in process; 0 steps them one after
                another between two steps of the engine, which is reproducible and best for fast
                environments. Use threads for slow ones that wait (for a service, say).
            max_group_redraws: How often in a row groups lost to faults are drawn again without one
                that finishes, before the run stops.
            **kwargs: `AlgorithmConfig.env_runners`.
        """
        own = {name: value for name, value in locals().items() if name != "kwargs"}
        super().env_runners(**kwargs)
        return self._store(own)

    @override(AlgorithmConfig)
    @setter(AlgorithmConfig)
    def training(
        self,
        *,
        estimator: EstimatorSpec = NotProvided,
        group_size: int = NotProvided,
        num_groups: int = NotProvided,
        step_weight: float = NotProvided,
        episode_weight: float = NotProvided,
        normalize_by_std: bool | None = NotProvided,
        episode_baseline: str = NotProvided,
        lone_episode: str = NotProvided,
        reward_normalization: Mapping[str, str] | None = NotProvided,
        return_baseline: str = NotProvided,
        anchor_context: int = NotProvided,
        level_weight_alpha: float = NotProvided,
        level_offset: int = NotProvided,
        episode_term: bool = NotProvided,
        gae_lambda: float = NotProvided,
        critic: str | None = NotProvided,
        critic_lr: float = NotProvided,
        vf_loss_coeff: float = NotProvided,
        vf_clip_param: float | None = NotProvided,
        anchor: AnchorMatch = NotProvided,
        anchor_threshold: float = NotProvided,
        anchor_ratio: Ratio = NotProvided,
        anchor_within_trajectory: bool = NotProvided,
        whiten_advantages: bool = NotProvided,
        advantage_clip: float | None = NotProvided,
        format_penalty: float = NotProvided,
        admissible_penalty: float = NotProvided,
        penalty_mode: str = NotProvided,
        overlong_filter: bool = NotProvided,
        overlong_penalty: float = NotProvided,
        overlong_buffer_tokens: int = NotProvided,
        dynamic_sampling: bool = NotProvided,
        max_resamples: int = NotProvided,
        policy_loss: str = NotProvided,
        clip_param: float = NotProvided,
        clip_param_high: float | None = NotProvided,
        dual_clip: float | None = NotProvided,
        kl_coeff: float = NotProvided,
        kl_placement: str = NotProvided,
        kl_estimator: str = NotProvided,
        kl_target: float | None = NotProvided,
        kl_horizon: int = NotProvided,
        old_logp: str = NotProvided,
        importance_sampling: str | None = NotProvided,
        importance_cap: float = NotProvided,
        importance_mask: bool = NotProvided,
        entropy_coeff: float = NotProvided,
        loss_aggregation: str = NotProvided,
        loss_constant: float | None = NotProvided,
        optimizer_name: str = NotProvided,
        weight_decay: float = NotProvided,
        adam_betas: tuple[float, float] = NotProvided,
        adam_eps: float = NotProvided,
        lr_schedule: str = NotProvided,
        lr_warmup_iterations: int = NotProvided,
        lr_decay_iterations: int | None = NotProvided,
        lr_final_fraction: float = NotProvided,
        num_minibatches: int = NotProvided,
        micro_batch_tokens: int = NotProvided,
        logp_chunk_tokens: int = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Choose groups, credit, loss and optimiser; RLlib's other arguments are passed on.

        ``gamma``, ``lr``, ``grad_clip`` and ``num_epochs`` are RLlib's own; ``gamma`` is the
        discount of the step returns (the paper's gamma).

        Args:
            estimator: How a step earns its advantage: a name of docs/algorithms.md ("gigpo",
                "grpo", "rloo", "hgpo", ...), or a class or function, itself or by import path.
            group_size: Episodes of one task (the paper's N): at least 2, or 1 for rules that
                compare none of them (ppo, reinforce_pp).
            num_groups: Groups per iteration.
            step_weight: Weight of the step advantage A^S (the paper's omega).
            episode_weight: Weight of the episode advantage A^E.
            normalize_by_std: Divide by the group's standard deviation; None for the estimator's own
                rule (GiGPO no, GRPO yes).
            episode_baseline: "trajectory" (the paper) or "step": what the group mean runs over.
            lone_episode: "zero", or "raw": an episode without peers keeps its return (verl-agent).
            reward_normalization: ROLL's ``{"grouping": "batch" | "traj_group_id" | "tags",
                "method": "identity" | "mean" | "mean_std" | "asym_clip"}`` in the place of
                ``episode_baseline`` and ``normalize_by_std``.
            return_baseline: reinforce_pp: "none" or "group", taken from the return first.
            anchor_context: hgpo: how many earlier states the deepest level shares.
            level_weight_alpha: hgpo: exponent of the levels' weights.
            level_offset: hgpo: 1 for weights 2:3:4 (published code), 0 for 1:2:3.
            episode_term: hgpo: whether A^E is a level too.
            critic: ppo: "head", a linear layer on the policy's trunk, or "model", a second model
                that starts from the same weights.
            critic_lr: Learning rate of the critic's own parameters, under the same schedule.
            vf_loss_coeff: Weight of the critic's loss.
            vf_clip_param: How far a value may move per iteration, in units of returns; None for
                any.
            gae_lambda: anchor_gae, ppo: 1 trusts the returns, 0 the values.
            anchor: "exact" equality of states, "similar" for text, or a function from the list of
                all anchors to keys that are compared instead (an embedding model's clusters, say),
                itself or by import path.
            anchor_threshold: Least similarity of two anchors, in (0, 1).
            anchor_ratio: For ``anchor="similar"``: "indel" (rapidfuzz), "difflib", or a function
                ``(founder, text) -> ratio``, itself or by import path.
            anchor_within_trajectory: Whether a state that one episode visits twice counts twice.
            whiten_advantages: Zero mean and unit variance over the response tokens of the batch.
            advantage_clip: Bound on |A| after whitening; None for none.
            format_penalty: Taken from the reward of a step whose answer has no valid format.
            admissible_penalty: Taken from the reward of a step whose action is not admissible.
            penalty_mode: "return": the penalty is discounted into earlier steps; "row": it counts
                for its own step only; "score": so too, but before the group's statistics over
                rows (gigpo, grpo, rloo).
            overlong_filter: Leave steps whose answer the token limit cut off out of the loss.
            overlong_penalty: Penalty of an answer at the token limit; see the next.
            overlong_buffer_tokens: How many tokens before the limit that penalty begins to rise
                from 0; 0 for no penalty.
            dynamic_sampling: Replace groups whose episode returns are all equal by new ones.
            max_resamples: How often per iteration; then the batch is filled up with such groups.
            policy_loss: "ppo" (a ratio per token), "gspo" (one per answer) or "cispo" (clipped
                weights, no lost gradients).
            clip_param: PPO's clip range below 1, and above unless ``clip_param_high`` is given.
                No loss has a range of its own: gspo wants 3e-4 and 4e-4, cispo 1 and 0.2.
            clip_param_high: PPO's clip range above 1 ("clip-higher").
            dual_clip: Bound on the ratio where A < 0; None for none.
            kl_coeff: Weight of the divergence from the start model; 0 keeps no reference model.
            kl_placement: "loss", or "reward": taken from each step's reward, before credit.
            kl_estimator: Of that divergence: "k1", "abs", "k2" or "k3".
            kl_target: Divergence per token towards which ``kl_coeff`` is steered; None for fixed.
            kl_horizon: Rows over which an error of 20 % moves ``kl_coeff`` by 20 %.
            old_logp: What the ratio starts from: "rollout", the engine's own log-probs, or
                "recompute", the Learner's before its first step (one more forward pass).
            importance_sampling: With "recompute": "token" or "sequence" weighs the policy loss by
                the Learner's over the engine's probability; None for no correction.
            importance_cap: Largest such weight.
            importance_mask: Whether weights beyond the cap become 0.
            entropy_coeff: Weight of the entropy bonus; 0 computes no entropy gradient.
            loss_aggregation: "token_mean", "seq_mean_token_mean" (the paper's average over steps),
                "seq_mean_token_sum" or "seq_sum_norm".
            loss_constant: The divisor of "seq_sum_norm", in tokens.
            optimizer_name: "adamw" or "sgd".
            weight_decay: AdamW's decoupled weight decay.
            adam_betas: AdamW's decay rates of the two moments.
            adam_eps: AdamW's epsilon.
            lr_schedule: "constant", "linear" or "cosine" decay after the warm-up.
            lr_warmup_iterations: Iterations over which the rate rises from 0.
            lr_decay_iterations: Iteration at which a decaying schedule has ended.
            lr_final_fraction: Fraction of ``lr`` that a decaying schedule ends at.
            num_minibatches: Optimiser steps per epoch.
            micro_batch_tokens: Tokens per forward and backward pass; bounds memory and cannot
                change the result.
            logp_chunk_tokens: Response tokens whose logits exist at a time.
            **kwargs: `AlgorithmConfig.training`.
        """
        own = {name: value for name, value in locals().items() if name != "kwargs"}
        super().training(**kwargs)
        return self._store(own)

    def _store(self, values: Mapping[str, Any]) -> Self:
        """Set the given attributes, leaving out what the caller has not named."""
        if self._is_frozen:
            raise AttributeError(
                "This config is frozen, because an Algorithm uses it; change a `config.copy("
                "copy_frozen=False)` instead."
            )
        for name, value in values.items():
            if name not in ("self", "__class__") and value is not NotProvided:
                setattr(self, name, value)
        return self

    # ------------------------------------------------------------------ checks and defaults

    @override(AlgorithmConfig)
    def validate(self) -> None:
        """Check everything.

        Raises:
            ConfigError: Listing every mistake, each with its cure.
        """
        # RLlib derives an evaluation config with settings of its own from one that was checked.
        mistakes = [] if self.in_evaluation else all_mistakes(self)
        if mistakes:
            listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(mistakes, 1))
            raise ConfigError(f"The config has {len(mistakes)} mistake(s):\n{listed}")
        # Remote EnvRunners hold the engines; one more on the driver would be a second model.
        self.create_local_env_runner = self.num_env_runners == 0
        # RLlib would advise to switch its new API stack off; here there is no other.
        log_once(f"{self.algo_class.__name__}_on_new_api_stack")
        super().validate()

    @override(AlgorithmConfig)
    def get_default_learner_class(self) -> type:
        """The Learner with its own update loop."""
        from rllib_gigpo.learner.gigpo_learner import GiGPOLearner

        return GiGPOLearner

    @override(AlgorithmConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The Learner's module: a Hugging Face causal LM."""
        from rllib_gigpo.rl_modules.causal_lm_module import CausalLMModule

        return RLModuleSpec(
            module_class=CausalLMModule,
            model_config={
                "model_path": self.model_path,
                "dtype": self.dtype,
                "attn_implementation": self.attn_implementation,
                "gradient_checkpointing": self.gradient_checkpointing,
                "critic": self.critic,
                "lora": self.lora,
                "seed": self.seed,
            },
        )

    @property
    @override(AlgorithmConfig)
    def _model_config_auto_includes(self) -> dict[str, Any]:
        """None of RLlib's network settings applies to a language model."""
        return {}

    # ------------------------------------------------------------------ connector pipelines

    @override(AlgorithmConfig)
    def build_env_to_module_connector(
        self, env: Any = None, spaces: Any = None, device: Any = None
    ) -> Any:
        """The user's pieces, then observation -> text -> history -> prompt token ids."""
        from rllib_gigpo.connectors.pipelines import append_env_to_module_pieces

        pipeline = super().build_env_to_module_connector(env, spaces, device)
        return append_env_to_module_pieces(pipeline, self)

    @override(AlgorithmConfig)
    def build_module_to_env_connector(self, env: Any = None, spaces: Any = None) -> Any:
        """The user's pieces, then response token ids -> text -> action -> the space's action."""
        from rllib_gigpo.connectors.pipelines import append_module_to_env_pieces

        pipeline = super().build_module_to_env_connector(env, spaces)
        return append_module_to_env_pieces(pipeline, self, env=env, spaces=spaces)

    @override(AlgorithmConfig)
    def build_learner_connector(
        self, input_observation_space: Any, input_action_space: Any, device: Any = None
    ) -> Any:
        """The user's pieces, then episodes -> rewards -> returns -> anchors -> advantages -> rows.

        The Algorithm runs this pipeline once over the whole batch; the Learners get rows.
        """
        from rllib_gigpo.connectors.pipelines import append_credit_pieces

        pipeline = super().build_learner_connector(
            input_observation_space, input_action_space, device
        )
        return append_credit_pieces(pipeline, self)

    @property
    def default_module_id(self) -> str:
        """The id of the one policy."""
        return DEFAULT_MODULE_ID
