"""One episode of an agent's own program: its calls, and the RLlib episode that they become."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.agent_programs.chat.chat_history import ChatHistory
from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
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
        calls: The calls, in the order in which they came.
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
        num_asked: Number of calls that were sent to the engine.
        posted: What was posted to ``/v1/reward``, with the reward and keys of ``info``.
        was_refused: Whether a call was refused because of a limit.
        started_at: When the program started; in seconds of a monotonic clock.
        answer_s: Seconds that the calls took, which the program spent waiting.
        episode: The finished episode; None until then.
    """

    task: GroupTask
    member: int
    api_key: str = field(default_factory=lambda: f"episode-{secrets.token_hex(16)}")
    program: StartedProgram | None = None
    history: ChatHistory = field(default_factory=ChatHistory)
    calls: list[PlayedCall] = field(default_factory=list)
    num_asked: int = 0
    posted: dict[str, Any] | None = None
    was_refused: bool = False
    started_at: float = 0.0
    answer_s: float = 0.0
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
        """How long it has been playing."""
        return time.monotonic() - self.started_at

    def close(self) -> None:
        """End the program."""
        if self.program is not None:
            self.program.end()

    def finish(self, end: ProgramEnd, reward: Callable[..., Any] | None, *, is_cut: bool) -> None:
        """Make the RLlib episode.

        Args:
            end: How the program ended.
            reward: The reward function of the settings.
            is_cut: Whether a limit ended the episode.

        Raises:
            ContractViolationError: The reward, an anchor or another value is of a wrong kind.
            Exception: Whatever the reward function raises.
        """
        played = PlayedProgram(
            seed=self.task.seed,
            is_training=self.task.is_training,
            calls=tuple(self.calls),
            result=end.result,
            is_truncated=is_cut,
        )
        outcome = self._outcome(played, reward)
        total = outcome.pop("reward", None)
        self.episode = self._recorded(total, outcome, is_cut=is_cut)

    def _outcome(self, played: PlayedProgram, reward: Callable[..., Any] | None) -> dict[str, Any]:
        """Return the reward and the last info: from the function, the post or the result."""
        if reward is not None:
            given = reward(played)
        elif self.posted is not None:
            given = self.posted
        elif played.is_truncated and played.result is None:
            given = 0.0
        else:
            given = played.result
        return dict(given) if isinstance(given, Mapping) else {"reward": given}

    def _recorded(self, total: Any, last_info: dict[str, Any], *, is_cut: bool) -> Any:
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
        for index, (text, info, call) in enumerate(following):
            is_last = index == len(self.calls) - 1
            observation, reward, terminated, truncated, info = read_step(
                (text, total if is_last else 0.0, is_last and not is_cut, is_last and is_cut, info)
            )
            episode.add_env_step(
                observation=observation,
                action=call.text,
                reward=reward,
                infos=info,
                terminated=terminated,
                truncated=truncated,
                extra_model_outputs={columns.STEP_RECORD: _record(call, reward)},
            )
        return episode


def new_text(messages: tuple[Message, ...]) -> str:
    """Return what the model sees for the first time: the messages since the last answer."""
    new: list[str] = []
    for message in reversed(messages):
        if message["role"] in ("assistant", "system"):
            break
        new.append(message["content"])
    return "\n".join(reversed(new))


def _record(call: PlayedCall, reward: float) -> StepRecord:
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
        anchor=call.anchor,
        num_message_tokens=call.prompt.num_message_tokens,
        uncertainty=generation.uncertainty,
    )
