"""The parts that RLlib builds from a config: EnvRunner, Learner, RLModule, three pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES
from ray.rllib.utils.annotations import override

from rllib_gigpo.config.search_space import is_searched
from rllib_gigpo.options.rllib_table import DEFAULTS, FIXED

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings
    from rllib_gigpo.warm_start import DemonstrationSettings, FitSettings, TinyModelSettings


class RLlibParts(AlgorithmConfig):
    """Base of the config that chooses the parts of a run; subclass the config to change one."""

    @property
    def settings(self) -> Settings:
        """The settings as frozen sections; `BaseGiGPOConfig` builds them."""
        raise NotImplementedError

    def __init__(self, algo_class: type | None = None) -> None:
        """Set the Algorithm, the EnvRunner and the fixed settings."""
        from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner

        super().__init__(algo_class=algo_class)
        self.env_runner_cls = GroupEnvRunner
        fixed = {name: value for name, (value, _) in FIXED.items()}
        for name, value in {**fixed, **DEFAULTS}.items():
            setattr(self, name, value)

    @override(AlgorithmConfig)
    def get_default_learner_class(self) -> type:
        """Return the Learner class, which has its own update loop."""
        from rllib_gigpo.learner.gigpo_learner import GiGPOLearner

        return GiGPOLearner

    @override(AlgorithmConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the spec of the Learner's module, a Hugging Face causal LM."""
        from rllib_gigpo.rl_modules.causal_lm_module import CausalLMModule

        return RLModuleSpec(
            module_class=CausalLMModule,
            model_config=CausalLMModule.model_config_of(self.settings, seed=self.seed),
        )

    @property
    @override(AlgorithmConfig)
    def _model_config_auto_includes(self) -> dict[str, Any]:
        """Nothing: RLlib's network settings do not apply to a language model."""
        return {}

    @override(AlgorithmConfig)
    def build_env_to_module_connector(
        self, env: Any = None, spaces: Any = None, device: Any = None
    ) -> Any:
        """Build the user's pieces, then observation -> text -> history -> prompt token ids."""
        from rllib_gigpo.agent_programs.program_env import is_program
        from rllib_gigpo.connectors.pipelines import append_env_to_module_pieces
        from rllib_gigpo.prompting.tool_calls.tool_use import tools_of

        pipeline = super().build_env_to_module_connector(env, spaces, device)
        if is_program(env):
            return pipeline  # it writes its own prompts
        space = (spaces or {}).get(INPUT_ENV_SINGLE_SPACES, (None, self.action_space))[1]
        return append_env_to_module_pieces(pipeline, self.settings, tools_of(env, space))

    @override(AlgorithmConfig)
    def build_module_to_env_connector(self, env: Any = None, spaces: Any = None) -> Any:
        """Build the user's pieces, then response token ids -> text -> action -> env action."""
        from rllib_gigpo.agent_programs.program_env import is_program
        from rllib_gigpo.connectors.pipelines import append_module_to_env_pieces

        pipeline = super().build_module_to_env_connector(env, spaces)
        if is_program(env):
            return pipeline  # it reads its own answers
        space = self.action_space
        if env is not None:
            space = env.action_space
        elif spaces is not None and INPUT_ENV_SINGLE_SPACES in spaces:
            space = spaces[INPUT_ENV_SINGLE_SPACES][1]
        return append_module_to_env_pieces(pipeline, self.settings, space, env=env)

    @override(AlgorithmConfig)
    def build_learner_connector(
        self, input_observation_space: Any, input_action_space: Any, device: Any = None
    ) -> Any:
        """Build the user's pieces, then the credit pipeline from episodes to token rows.

        The Algorithm runs this pipeline once over the whole batch; the Learners get the rows.
        """
        from rllib_gigpo.connectors.pipelines import append_credit_pieces

        pipeline = super().build_learner_connector(
            input_observation_space, input_action_space, device
        )
        return append_credit_pieces(pipeline, self.settings, seed=self.seed)

    @property
    def default_module_id(self) -> str:
        """The id of the one policy."""
        return DEFAULT_MODULE_ID

    def warm_start(
        self,
        *,
        env: str | None = None,
        env_config: Mapping[str, Any] | None = None,
        base_model: str | None = None,
        demonstrations: DemonstrationSettings | Mapping[str, Any] | None = None,
        tiny_model: TinyModelSettings | Mapping[str, Any] | None = None,
        fit: FitSettings | Mapping[str, Any] | None = None,
    ) -> Self:
        """Use a model that was fitted to demonstrations of the environment's expert.

        Call it after you have set environment, training tasks and prompts, because it uses them. If
        you set fewer `tasks` afterwards, the model has already seen tasks outside them. The first
        call plays and fits, which takes some minutes, and prints its progress to stderr; later
        calls find the model in the cache.

        Args:
            env: Gymnasium id; needed if `environment` was given a class or a function, or if
                demonstrations come from another environment, such as the one that a server plays.
            env_config: Environment keywords that differ in demonstrations; all of another one's.
            base_model: Hugging Face folder to fit; None for a new model of 0.3M parameters.
            demonstrations: How the expert plays: fields of `DemonstrationSettings`, as a dict or an
                object. In a dict, ``max_episode_steps`` defaults to that of the config.
            tiny_model: Size of the new model: fields of `TinyModelSettings`.
            fit: How the model is fitted: fields of `FitSettings`.

        Raises:
            ConfigError: A setting is wrong, or the demonstrations cannot be played with this
                config.
            EnvContractError: The environment gives no expert actions.
        """
        from rllib_gigpo.config import sections
        from rllib_gigpo.warm_start import print_progress, settings_for, warm_start

        if not is_searched(self.to_dict()):
            # Before the minutes of a fit; the config is not finished, so others may be missing.
            sections.refuse(sections.read(self, checks=[])[1])
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
