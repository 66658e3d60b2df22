"""One episode of an agent's own program: its calls, and the RLlib episode that they become."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.agent_programs.chat.chat_history import ChatHistory
from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.agent_programs.reward_threads import Verdict
from rllib_gigpo.agent_programs.started_program import ProgramEnd, StartedProgram
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import StepRecord
from rllib_gigpo.engines.inference_engine import Generation
from rllib_gigpo.envs.response_fence import read_reset, read_step
from rllib_gigpo.prompting.prompt_record import Prompt


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """A call that was answered.

    Attributes:
        request: The messages and tools that the program sent.
        answer: The message that it got.
        anchor: The state in which the model answered.
        is_valid: Whether the answer's tool calls could be read.
        prompt: The prompt, as the engine got it.
        generation: The answer, as the engine sampled it.
        text: The text of the answer.
    """

    request: ChatRequest
    answer: Message
    anchor: Hashable
    is_valid: bool
    prompt: Prompt
    generation: Generation
    text: str


@dataclass(frozen=True, slots=True)
class PlayedProgram:
    """A finished episode, as a reward function gets it.

    Attributes:
        seed: The seed of the task.
        is_training: Whether the episode is for training.
        calls: The calls, in the order in which they were answered.
        result: What the function returned, or what the command printed; None if the episode was
            ended.
        is_truncated: Whether a limit ended the episode.
    """

    seed: int
    is_training: bool
    calls: tuple[PlayedCall, ...]
    result: Any
    is_truncated: bool


@dataclass(slots=True, eq=False)
class ProgramEpisode:
    """An episode under way.

    Attributes:
        task: The task.
        member: Its number in the group.
        api_key: The key that names it to the endpoint; secret.
        program: The program; None until it has started.
        history: The chats so far.
        calls: The answered calls.
        open_calls: Ids of the calls that the engine answers now.
        num_asked: Number of calls that were sent to the engine, which numbers their ids.
        posted: What was posted to ``/v1/reward``, with the reward and keys of ``info``.
        was_too_long: Whether the latest call was refused because its chat was too long.
        num_over_limit: Number of calls that were refused because the episode has had its calls.
        over_limit_at: When all calls before these were answered; 0 until then.
        started_at: When the program started; in seconds of a monotonic clock.
        ended_at: When it ended.
        answer_s: Seconds that the calls took, which the program spent waiting.
        is_cut: Whether a limit ended the episode; known at its end.
        has_result: Whether the program returned something that may be a reward.
        verdict: What the reward function finds, once it is asked.
        episode: The finished episode; None until then.
    """

    task: GroupTask
    member: int
    api_key: str = field(default_factory=lambda: f"episode-{secrets.token_hex(16)}")
    program: StartedProgram | None = None
    history: ChatHistory = field(default_factory=ChatHistory)
    calls: list[PlayedCall] = field(default_factory=list)
    open_calls: set[str] = field(default_factory=set)
    num_asked: int = 0
    posted: dict[str, Any] | None = None
    was_too_long: bool = False
    num_over_limit: int = 0
    over_limit_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    answer_s: float = 0.0
    is_cut: bool = False
    has_result: bool = False
    verdict: Verdict | None = None
    episode: SingleAgentEpisode | None = None

    @property
    def name(self) -> str:
        """The name of the episode: its group and its number in it."""
        return f"{self.task.group_id}-{self.member}"

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"seed {self.task.seed}, call {self.num_asked}"

    @property
    def seconds(self) -> float:
        """How long it has been playing, or has played."""
        return (self.ended_at or time.monotonic()) - self.started_at

    @property
    def num_steps(self) -> int:
        """Number of calls that are steps, or will be."""
        return len(self.calls) + len(self.open_calls)

    def outcome(self, end: ProgramEnd, reward: Callable[..., Any] | None) -> dict[str, Any]:
        """Return the reward and the last info: from the function, the post or the result.

        Args:
            end: How the program ended.
            reward: The reward function of the settings.

        Raises:
            Exception: Whatever the reward function raises.
        """
        if reward is not None:
            given = reward(
                PlayedProgram(
                    seed=self.task.seed,
                    is_training=self.task.is_training,
                    calls=tuple(self.calls),
                    result=end.result,
                    is_truncated=self.is_cut,
                )
            )
        elif self.posted is not None:
            given = self.posted
        elif self.is_cut and end.result is None:
            given = 0.0
        else:
            given = end.result
        return dict(given) if isinstance(given, Mapping) else {"reward": given}

    def record(self, outcome: Mapping[str, Any]) -> None:
        """Make the RLlib episode.

        Args:
            outcome: The reward, under that name, and the last info.

        Raises:
            ContractViolationError: The reward, an anchor or another value is of a wrong kind.
        """
        last_info = {name: value for name, value in outcome.items() if name != "reward"}
        episode = SingleAgentEpisode(id_=self.name)
        episode.custom_data[columns.TASK] = self.task.seed
        episode.custom_data[columns.GROUP_ID] = self.task.group_id
        episode.custom_data[columns.MEMBER] = self.member
        episode.custom_data[columns.TREE] = self.member
        seen = [new_text(call.request.messages) for call in self.calls]
        infos: list[dict[str, Any]] = [{"anchor": call.anchor} for call in self.calls]
        observation, info = read_reset((seen[0], infos[0]))
        episode.add_env_reset(observation, info)
        following = zip([*seen[1:], ""], [*infos[1:], last_info], self.calls, strict=True)
        for index, (text, next_info, call) in enumerate(following):
            is_last = index == len(self.calls) - 1
            reward = outcome.get("reward") if is_last else 0.0
            ends = (is_last and not self.is_cut, is_last and self.is_cut)
            observation, reward, terminated, truncated, read = read_step(
                (text, reward, *ends, next_info)
            )
            record = _record(call, reward, anchor=info.get("anchor", seen[index]))
            info = read
            episode.add_env_step(
                observation=observation,
                action=call.text,
                reward=reward,
                infos=info,
                terminated=terminated,
                truncated=truncated,
                extra_model_outputs={columns.STEP_RECORD: record},
            )
        self.episode = episode


def new_text(messages: Sequence[Message]) -> str:
    """Return the latest tool results, or the latest user message; without either, all texts."""
    latest: list[str] = []
    for message in reversed(messages):
        if message["role"] in ("tool", "user"):
            latest.append(message["content"])
        elif latest:
            break
    return "\n".join(reversed(latest)) or "\n".join(one["content"] for one in messages)


def _record(call: PlayedCall, reward: float, *, anchor: Hashable) -> StepRecord:
    generation = call.generation
    return StepRecord(
        prompt_token_ids=call.prompt.token_ids,
        prompt_text=call.prompt.text,
        is_prompt_cut=False,
        response_token_ids=generation.token_ids,
        rollout_logp=generation.logp,
        token_versions=generation.token_versions,
        finish_reason=generation.finish_reason,
        response_text=call.text,
        action_text=call.text,
        is_format_valid=call.is_valid,
        is_admissible=True,
        reward=reward,
        anchor=anchor,
        num_message_tokens=call.prompt.num_message_tokens,
        uncertainty=generation.uncertainty,
    )
