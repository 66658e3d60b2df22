"""Rollouts with an agent's own program: one endpoint for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.rllib.utils.annotations import override

from rllib_gigpo.agent_programs.answer_reader import AnswerReader, all_marks
from rllib_gigpo.agent_programs.call_desk import CallDesk
from rllib_gigpo.agent_programs.chat.chat_prompts import ChatPrompts
from rllib_gigpo.agent_programs.chat_server import ChatServer
from rllib_gigpo.agent_programs.endpoint_rollout import EndpointRollout
from rllib_gigpo.agent_programs.engine_loop import EngineLoop
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.agent_programs.reward_threads import RewardThreads
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.rollout_maker import RolloutMaker
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.models.tokenizer import load_tokenizer
from rllib_gigpo.prompting.chat_format import opens_thought
from rllib_gigpo.rl_modules.engine_module import EngineModule

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings
    from rllib_gigpo.config.sections.prompts import PromptSection


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """What the rollouts share."""

    loop: EngineLoop[Any]
    server: ChatServer
    judges: RewardThreads


class ProgramRollouts(RolloutMaker):
    """Maker of rollouts of agent programs; the endpoint stays open from one to the next."""

    def __init__(
        self,
        programs: Mapping[bool, ProgramSettings],
        tokenizer: Any,
        *,
        prompts: PromptSection,
        max_prompt_tokens: int,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check that the model's chat template can be continued.

        Args:
            programs: What is started and who rewards it, by whether an episode is for training.
                The endpoint is that of training.
            tokenizer: The model's tokenizer.
            prompts: The settings of prompts, of which ``tools`` and ``think_tag`` count.
            max_prompt_tokens: Longest prompt.
            chat_template_kwargs: Arguments of the chat template.

        Raises:
            ConfigError: It cannot be continued.
        """
        self._programs = programs
        self._max_prompt_tokens = max_prompt_tokens
        self._prompts = ChatPrompts(
            tokenizer, chat_template_kwargs=chat_template_kwargs, tools=prompts.tools
        )
        self._reader = AnswerReader(
            tokenizer,
            marks=all_marks(prompts.tools),
            think_tag=prompts.think_tag,
            opens_thought=opens_thought(tokenizer, prompts.think_tag, chat_template_kwargs),
        )
        self._shared: _Endpoint | None = None
        self._rollout: EndpointRollout | None = None

    @classmethod
    def from_settings(
        cls, programs: Mapping[bool, ProgramSettings], settings: Settings
    ) -> ProgramRollouts:
        """Make one for a run.

        Args:
            programs: See the constructor.
            settings: The settings of the run.

        Raises:
            ConfigError: A setting needs an environment, or the chat template cannot be continued.
        """
        _check(settings)
        return cls(
            programs,
            load_tokenizer(settings.model.model_path),
            prompts=settings.prompts,
            max_prompt_tokens=settings.model.max_prompt_tokens,
            chat_template_kwargs=settings.model.chat_template_kwargs,
        )

    @property
    @override(RolloutMaker)
    def runs_beside_engine(self) -> bool:
        """Programs think while the engine works."""
        return True

    @override(RolloutMaker)
    def make(
        self,
        module: EngineModule,
        settings: RolloutSettings,
        callbacks: Mapping[bool, RunnerCallbacks],
    ) -> EndpointRollout:
        """Return a new rollout, behind the endpoint of the one before."""
        if self._shared is None:
            self._shared = self._opened(EngineLoop(module))
        desk = CallDesk(
            self._shared.loop,
            prompts=self._prompts,
            reader=self._reader,
            programs=self._programs,
            settings=settings,
            max_prompt_tokens=self._max_prompt_tokens,
        )
        self._rollout = EndpointRollout(
            self._shared.loop,
            self._shared.server,
            desk,
            self._shared.judges,
            programs=self._programs,
            settings=settings,
            callbacks=callbacks,
        )
        return self._rollout

    def _opened(self, loop: EngineLoop[Any]) -> _Endpoint:
        own = self._programs[True]
        server = ChatServer(
            host=own.host,
            max_request_bytes=own.max_request_bytes,
            ask=loop.ask,
            post_reward=self._post_reward,
        )
        return _Endpoint(loop, server, RewardThreads())

    @override(RolloutMaker)
    def close(self) -> None:
        """End the programs that still run, and close the endpoint."""
        if self._rollout is not None:
            self._rollout.drop(list(self._rollout.num_left))
        if self._shared is not None:
            self._shared.server.stop()
            self._shared.judges.stop()
        self._shared = self._rollout = None

    def _post_reward(self, api_key: str, posted: dict[str, Any]) -> None:
        if self._rollout is not None:
            self._rollout.post_reward(api_key, posted)


def _check(settings: Settings) -> None:
    """Refuse settings that only environments can follow."""
    prompts, runners = settings.prompts, settings.env_runners
    in_vain = {
        f"training(group_plan={settings.credit.group_plan.name!r})": not isinstance(
            settings.credit.group_plan, FromReset
        ),
        "training(critic=...)": settings.loss.critic is not None,
        "prompting(sub_goals=True)": prompts.sub_goals,
        "prompting(memory=...)": prompts.memory is not None,
        "prompting(observation_to_text=...)": prompts.observation_to_text is not None,
        "prompting(action_parser=...)": prompts.action_parser is not None,
        "prompting(style='conversation')": prompts.style == "conversation",
        f"env_runners(num_env_workers={runners.num_env_workers})": bool(runners.num_env_workers),
        f"env_runners(num_env_threads={runners.num_env_threads})": bool(runners.num_env_threads),
    }
    named = [name for name, is_set in in_vain.items() if is_set]
    if named:
        raise ConfigError(
            f"{', '.join(named)} needs an environment; an agent's own program has the loop and"
            " writes its own messages. Leave it out."
        )
