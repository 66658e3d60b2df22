"""Rollouts with an agent's own program: one endpoint for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.rllib.utils.annotations import override

from rllib_gigpo.agent_programs.answer_reader import AnswerReader, all_marks
from rllib_gigpo.agent_programs.chat.chat_prompts import ChatPrompts
from rllib_gigpo.agent_programs.chat_server import ChatServer
from rllib_gigpo.agent_programs.endpoint_rollout import EndpointRollout
from rllib_gigpo.agent_programs.engine_loop import EngineLoop
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.rollout_maker import RolloutMaker
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.models.tokenizer import load_tokenizer
from rllib_gigpo.rl_modules.engine_module import EngineModule

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


class ProgramRollouts(RolloutMaker):
    """Maker of rollouts of agent programs; the endpoint stays open from one to the next."""

    def __init__(self, programs: Mapping[bool, ProgramSettings], settings: Settings) -> None:
        """Check that programs can be played with these settings.

        Args:
            programs: What is started and who rewards it, by whether an episode is for training.
                The endpoint is that of training.
            settings: The settings of the run.

        Raises:
            ConfigError: A setting needs an environment, or the model's chat template cannot be
                continued.
        """
        _check(settings)
        tokenizer = load_tokenizer(settings.model.model_path)
        self._programs = programs
        self._max_prompt_tokens = settings.model.max_prompt_tokens
        tools = settings.prompts.tools
        self._prompts = ChatPrompts(
            tokenizer,
            chat_template_kwargs=settings.model.chat_template_kwargs,
            tools=tools,
        )
        self._reader = AnswerReader(
            tokenizer, marks=all_marks(tools), think_tag=settings.prompts.think_tag
        )
        self._loop: EngineLoop[Any] | None = None
        self._server: ChatServer | None = None
        self._rollout: EndpointRollout | None = None

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
        if self._loop is None or self._server is None:
            self._loop = EngineLoop(module)
            self._server = ChatServer(
                host=self._programs[True].host,
                max_request_bytes=self._programs[True].max_request_bytes,
                ask=self._loop.ask,
                post_reward=self._post_reward,
            )
        self._rollout = EndpointRollout(
            self._loop,
            self._server,
            prompts=self._prompts,
            reader=self._reader,
            programs=self._programs,
            settings=settings,
            max_prompt_tokens=self._max_prompt_tokens,
            callbacks=callbacks,
        )
        return self._rollout

    @override(RolloutMaker)
    def close(self) -> None:
        """End the programs that still run, and close the endpoint."""
        if self._rollout is not None:
            self._rollout.drop(list(self._rollout.num_left))
        if self._server is not None:
            self._server.stop()
        self._loop = self._server = self._rollout = None

    def _post_reward(self, api_key: str, posted: dict[str, Any]) -> None:
        if self._rollout is not None:
            self._rollout.post_reward(api_key, posted)


def _check(settings: Settings) -> None:
    """Refuse settings that only environments can follow."""
    if not isinstance(settings.credit.group_plan, FromReset):
        raise ConfigError(
            f"group_plan={settings.credit.group_plan.name!r} replays environments, and an agent's"
            " own program cannot be replayed; set group_plan='from_reset'"
        )
    if settings.prompts.sub_goals:
        raise ConfigError(
            "prompting(sub_goals=True) needs our prompts, and an agent's own program writes its"
            " own; leave it out"
        )
