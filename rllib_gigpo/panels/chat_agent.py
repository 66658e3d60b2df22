"""Plays a panel with a model behind an OpenAI-compatible URL.

Each step is one chat completion with one user message: the prompt that the template renders, as a
trained agent gets it. Requests of many episodes run at the same time; environments step one after
the other in this process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import forgets_role
from rllib_gigpo.connectors.module_to_env.action_to_env import SKIP_STEP, ActionToEnv
from rllib_gigpo.connectors.module_to_env.parse_action import ParseAction
from rllib_gigpo.connectors.pipelines import action_hints, response_parser
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.envs.contract import ROLE, TAGS
from rllib_gigpo.envs.response_fence import read_reset, read_step
from rllib_gigpo.errors import EnvContractError, MissingExtraError, PanelError
from rllib_gigpo.media.image import looks_like_image
from rllib_gigpo.panels.panel import Panel, PanelTask
from rllib_gigpo.panels.played_task import PlayedTask, UnplayedTask, check_starts
from rllib_gigpo.panels.task_start import started_task
from rllib_gigpo.prompting.contents.text_prompter import TextPrompter
from rllib_gigpo.prompting.contents.text_reader import text_reader
from rllib_gigpo.prompting.memory import LastSteps
from rllib_gigpo.prompting.tool_calls.tool_use import tools_of
from rllib_gigpo.sampling.rollout_metrics import has_won

if TYPE_CHECKING:
    from rllib_gigpo.config.sections.prompts import PromptSection

_NUM_TRIES = 6  # of a request that fails in a way that may pass


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """Where the model answers.

    Attributes:
        base_url: The URL before ``/chat/completions``.
        model: The name of the model there.
        api_key: The key; any text where none is needed.
        timeout_s: Longest wait for one answer.
    """

    base_url: str
    model: str
    api_key: str = "none"
    timeout_s: float = 300.0


class ChatAgent:
    """A model behind a URL that plays panels."""

    def __init__(
        self,
        endpoint: ChatEndpoint,
        prompts: PromptSection,
        *,
        max_tokens: int,
        num_parallel: int,
    ) -> None:
        """Prepare to play.

        Args:
            endpoint: Where the model answers.
            prompts: How observations become messages, and answers become actions.
            max_tokens: Longest answer.
            num_parallel: Number of episodes at a time.

        Raises:
            MissingExtraError: The package ``openai`` is not installed.
            PanelError: The prompts are of a kind that such a model does not get.
        """
        if prompts.style == "conversation" or prompts.sub_goals:
            raise PanelError(
                "A model behind a URL gets one message a step: set style='step', sub_goals=False"
            )
        try:
            from openai import AsyncOpenAI
        except ImportError as error:
            raise MissingExtraError(
                'A model behind a URL needs the package openai: pip install "rllib-gigpo[chat]"'
            ) from error
        self._endpoint, self._prompts = endpoint, prompts
        self._max_tokens, self._num_parallel = max_tokens, num_parallel
        self._client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            timeout=endpoint.timeout_s,
            max_retries=_NUM_TRIES - 1,
        )

    def play(self, panel: Panel, source: EnvSource) -> tuple[list[PlayedTask], list[UnplayedTask]]:
        """Play every task of a panel with every decoding seed.

        Args:
            panel: The panel.
            source: Its environment on this machine.

        Returns:
            The episodes in the panel's order, and those that could not be played.

        Raises:
            PanelError: The model does not answer at all, or a task starts differently.
        """
        return asyncio.run(self._play_all(panel, source))

    async def _play_all(
        self, panel: Panel, source: EnvSource
    ) -> tuple[list[PlayedTask], list[UnplayedTask]]:
        jobs = [(seed, task) for seed in panel.decoding.seeds for task in panel.tasks]
        places = asyncio.Semaphore(self._num_parallel)
        async with self._client:
            found = await asyncio.gather(
                *(self._in_turn(panel, task, seed, source, places) for seed, task in jobs)
            )
        played = [one for one in found if isinstance(one, PlayedTask)]
        unplayed = [one for one in found if isinstance(one, UnplayedTask)]
        if not played:
            raise PanelError(
                f"No task could be played with {self._endpoint.model} at"
                f" {self._endpoint.base_url}: {unplayed[0].reason}"
            )
        return played, unplayed

    async def _in_turn(
        self,
        panel: Panel,
        task: PanelTask,
        decoding_seed: int,
        source: EnvSource,
        places: asyncio.Semaphore,
    ) -> PlayedTask | UnplayedTask:
        async with places:
            env = source.make()  # a new one: an episode that failed may have broken its own
            try:
                return await self._play_one(panel, task, decoding_seed, env)
            except PanelError:
                raise
            except Exception as error:  # of the endpoint, or of an environment, which may raise any
                reason = f"{type(error).__name__}: {error}"
                return UnplayedTask(task=task.seed, decoding_seed=decoding_seed, reason=reason)
            finally:
                source.close(env)

    async def _play_one(
        self, panel: Panel, task: PanelTask, decoding_seed: int, env: gym.Env
    ) -> PlayedTask:
        observation, info = read_reset(env.reset(seed=task.seed))
        parts = observation.values() if isinstance(observation, Mapping) else (observation,)
        if any(map(looks_like_image, parts)):
            raise PanelError(
                f"{panel.env} shows images, and a model behind a URL gets text; play another panel"
            )
        if tools_of(env):
            raise PanelError(
                f"{panel.env} has tools, and a model behind a URL is not offered any; play another"
                " panel"
            )
        check_starts(panel, [started_task(task.seed, observation, info)])
        prompts = self._prompts
        prompter = TextPrompter(
            prompts.template,
            prompts.memory or LastSteps(prompts.history_length),
            action_tag=prompts.action_tag,
            think_tag=prompts.think_tag,
        )
        to_text, pieces = text_reader(prompts.observation_to_text), self._action_pieces(env)
        episode = SingleAgentEpisode()
        episode.add_env_reset(observation, info)
        num_valid = 0
        while not episode.is_done:
            text = to_text(episode.get_observations(-1))
            message = prompter.render(text, episode.get_infos(-1))
            answer = await self._ask(panel, message, f"{decoding_seed}:{task.seed}:{len(episode)}")
            batch: dict[str, Any] = {columns.RESPONSE_TEXT: [answer]}
            for piece in pieces:
                batch = piece(batch=batch, episodes=[episode])
            (parsed,), (action,) = batch[columns.PARSED_ACTIONS], batch[columns.ENV_ACTIONS]
            num_valid += parsed.is_format_valid
            role = episode.get_infos(-1).get(ROLE, "")
            prompter.note(text, parsed.action, role=role)
            self._step(episode, env, action, panel.max_episode_steps)
        return PlayedTask(
            task=task.seed,
            decoding_seed=decoding_seed,
            won=has_won(episode),
            episode_return=float(episode.get_return()),
            num_steps=len(episode),
            valid_rate=num_valid / len(episode),
            tags=tuple(map(str, info.get(TAGS, ()))),
        )

    def _action_pieces(self, env: gym.Env) -> Sequence[Any]:
        parser = response_parser(self._prompts)
        return ParseAction(parser), ActionToEnv(env.action_space, **action_hints(env))

    @staticmethod
    def _step(episode: SingleAgentEpisode, env: gym.Env, action: Any, max_steps: int) -> None:
        if action is SKIP_STEP:  # the state stays as it is
            observation, info = episode.get_observations(-1), dict(episode.get_infos(-1))
            reward, terminated, truncated = 0.0, False, False
        else:
            observation, reward, terminated, truncated, info = read_step(env.step(action))
            if not (terminated or truncated) and forgets_role(episode, info):
                raise EnvContractError("info has no 'role', which it had at reset")
        is_last = len(episode) + 1 >= max_steps
        episode.add_env_step(
            observation=observation,
            action=None if action is SKIP_STEP else action,
            reward=reward,
            infos=info,
            terminated=terminated,
            truncated=truncated or (is_last and not terminated),
        )

    async def _ask(self, panel: Panel, message: str, key: str) -> str:
        """Return the model's answer to one user message."""
        decoding = panel.decoding
        extra: Mapping[str, Any] = {"top_k": decoding.top_k} if decoding.top_k else {}
        seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "little")
        completion = await self._client.chat.completions.create(
            model=self._endpoint.model,
            messages=[{"role": "user", "content": message}],
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            max_tokens=self._max_tokens,
            seed=seed % 2**31,
            extra_body=dict(extra),
        )
        return completion.choices[0].message.content or ""
