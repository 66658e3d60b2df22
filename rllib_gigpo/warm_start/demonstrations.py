"""Demonstrations: plays an environment with its expert and turns the result into training rows."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from rllib_gigpo.envs.common.random_actions import fill_placeholders, has_placeholder
from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.info_fence import described
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.response_fence import read_reset, read_step
from rllib_gigpo.errors import EnvContractError, GiGPOError
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.prompting import (
    ActionParser,
    ConversationRenderer,
    LastSteps,
    Memory,
    PastStep,
    Prompt,
    PromptInputs,
    PromptRenderer,
)
from rllib_gigpo.prompting.contents.image_reader import image_reader
from rllib_gigpo.prompting.prompt_record import ChatTurn
from rllib_gigpo.prompting.text_encoder import TextEncoder, mark
from rllib_gigpo.prompting.tool_calls.tool_results import ToolResults
from rllib_gigpo.warm_start.warm_start_progress import PlayProgress, Progress
from rllib_gigpo.warm_start.warm_start_settings import WarmStartSettings


@dataclass(frozen=True, slots=True, eq=False)
class PlayedTurn:
    """A finished turn.

    Attributes:
        inputs: What its prompt may show.
        executed: The action that was executed.
        before: The role's turn before it; None for its first of an episode.
    """

    inputs: PromptInputs
    executed: str
    before: "PlayedTurn | None"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One turn and the expert's action in it.

    Attributes:
        inputs: What the prompt may show.
        action: The action to learn: the expert's, even if another one was executed.
        before: The role's turn before it; None for its first of an episode.
    """

    inputs: PromptInputs
    action: str
    before: PlayedTurn | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DemonstrationRow:
    """One turn as token ids.

    Attributes:
        prompt_ids: The prompt, as the engine would receive it.
        response_ids: The response that states the expert's action, with the end-of-turn token.
        chat: Number of the conversation that the row is a turn of; None outside of conversations.
        images: The images of the prompt.
    """

    prompt_ids: list[int]
    response_ids: list[int]
    chat: int | None = None
    images: tuple[PlacedImage, ...] = ()


@dataclass(slots=True)
class _OwnTurns:
    """What one role of an episode has seen and done; without roles, the only agent."""

    task: str = ""
    past: list[PastStep] = field(default_factory=list)
    last: PlayedTurn | None = None


def play_demonstrations(
    settings: WarmStartSettings,
    progress: Progress | None = None,
    images: ImageStore | None = None,
    on_env: Callable[[gym.Env], object] | None = None,
) -> list[Demonstration]:
    """Play every training seed and return all turns with a known expert action, in order.

    Args:
        settings: Settings with the environment, the seeds and the chance of random actions.
        progress: Called before the first seed and after each.
        images: Keeps the images of observations, which the turns refer to by marks; None if
            observations must be text.
        on_env: Called with the environment before it is played.

    Raises:
        EnvContractError: The environment cannot be made, names no ``expert_action``, or its
            observations or actions are not text.
    """
    env = _make_env(settings)
    try:
        _check_spaces(env, settings.env, allows_images=images is not None)
        read = _reader(env, settings, images)
        if on_env is not None:
            on_env(env)
        turns: list[Demonstration] = []
        for num_played, seed in enumerate(settings.seeds):
            _tell(progress, PlayProgress(num_played, len(settings.seeds)))
            for episode in range(settings.demonstrations.episodes_per_seed):
                with _told(settings.env, seed):
                    turns += _play_episode(env, settings, read, seed=seed, episode=episode)
        _tell(progress, PlayProgress(len(settings.seeds), len(settings.seeds)))
        return turns
    finally:
        with suppress(Exception):  # a broken environment may also fail to close
            env.close()


def _tell(progress: Progress | None, state: PlayProgress) -> None:
    if progress is not None:
        progress(state)


def randomize_labels(
    demonstrations: Sequence[Demonstration], *, probability: float, seed: int | Sequence[int]
) -> list[Demonstration]:
    """Replace some expert actions by random admissible ones, in turns that list any.

    Args:
        demonstrations: The turns.
        probability: Chance that a turn gets a random label.
        seed: Random seed.
    """
    rng = np.random.default_rng(seed)
    return [
        replace(turn, action=_draw(turn.inputs, rng))
        if rng.random() < probability and turn.inputs.admissible_actions
        else turn
        for turn in demonstrations
    ]


def make_epochs(
    demonstrations: Sequence[Demonstration],
    renderer: PromptRenderer,
    parser: ActionParser,
    tokenizer: Any,
    *,
    num_epochs: int,
    random_label_probability: float = 0.0,
    seed: int = 0,
) -> list[list[DemonstrationRow]]:
    """Turn demonstrations into token ids: prompts as in a rollout, responses that the parser reads.

    Every epoch draws new random labels, so the model learns their distribution; it would memorise
    a single draw.

    Args:
        demonstrations: The turns.
        renderer: Renders prompts as in the training run.
        parser: Formats the responses as in the training run.
        tokenizer: Tokenizer of the model.
        num_epochs: Number of passes over the demonstrations.
        random_label_probability: See ``randomize_labels``.
        seed: Seed of the random labels.

    Returns:
        The rows of each epoch, in the order of the demonstrations.
    """
    encoder, epochs = TextEncoder(tokenizer), []
    encode = partial(_encode_response, parser=parser, encoder=encoder, tokenizer=tokenizer)
    prompts = _prompts(demonstrations, renderer, encode)
    is_chat = isinstance(renderer, ConversationRenderer)
    chats = _chat_numbers(demonstrations) if is_chat else [None] * len(demonstrations)
    for epoch in range(num_epochs):
        labelled = randomize_labels(
            demonstrations, probability=random_label_probability, seed=(seed, epoch)
        )
        responses = [encode(turn.action, turn.inputs.sub_goal) for turn in labelled]
        epochs.append(
            [
                DemonstrationRow(list(prompt.token_ids), response, chat, prompt.images)
                for prompt, response, chat in zip(prompts, responses, chats, strict=True)
            ]
        )
    return epochs


def _prompts(
    demonstrations: Sequence[Demonstration],
    renderer: PromptRenderer,
    encode: Callable[[str, str], list[int]],
) -> list[Prompt]:
    """Render the prompt of each turn; a conversation shows the actions that were executed."""
    if not isinstance(renderer, ConversationRenderer):
        return [renderer.render(turn.inputs) for turn in demonstrations]
    chats: dict[PlayedTurn, list[ChatTurn]] = {}

    def prompt_after(before: PlayedTurn | None, inputs: PromptInputs) -> Prompt:
        if before is None:
            return renderer.render(inputs)
        facts = [turn.inputs for turn in _chain(before)]
        return renderer.extend(turns_until(before), inputs, facts.__getitem__)

    def turns_until(last: PlayedTurn) -> list[ChatTurn]:
        for turn in _chain(last):
            if turn not in chats:
                earlier = [] if turn.before is None else chats[turn.before]
                response = encode(turn.executed, turn.inputs.sub_goal)
                answered = ChatTurn(prompt_after(turn.before, turn.inputs), response)
                chats[turn] = [*earlier, answered]
        return chats[last]

    return [prompt_after(turn.before, turn.inputs) for turn in demonstrations]


def _chat_numbers(demonstrations: Sequence[Demonstration]) -> list[int]:
    """Number the conversations, which are known by the facts of their first turns."""
    firsts = [turn if turn.before is None else _chain(turn.before)[0] for turn in demonstrations]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(id(first.inputs), len(numbers)) for first in firsts]


def _chain(last: PlayedTurn) -> list[PlayedTurn]:
    """Return the turns of a role in an episode up to a turn, oldest first."""
    turns, turn = list[PlayedTurn](), last
    while True:
        turns.append(turn)
        if turn.before is None:
            return turns[::-1]
        turn = turn.before


def _make_env(settings: WarmStartSettings) -> gym.Env:
    try:
        return make(settings.env, **settings.env_config)
    except BaseException as error:  # a user's constructor may raise anything
        if not _is_fault(error):
            raise
        raise EnvContractError(
            f"The environment {settings.env!r} cannot be made with env_config="
            f"{dict(settings.env_config)}: {described(error)}. Check the id and env_config."
        ) from error


@contextmanager
def _told(name: str, seed: int) -> Iterator[None]:
    """Name environment and seed in what the environment raises, as a rollout does."""
    try:
        yield
    except GiGPOError:
        raise
    except ContractViolationError as violation:
        raise EnvContractError(f"{name}, seed {seed}: {violation}") from violation
    except BaseException as error:  # not only Exception: a game may call sys.exit()
        if not _is_fault(error):
            raise
        raise EnvContractError(
            f"{name}, seed {seed}: {described(error)}. `rllib check-env` shows more."
        ) from error


def _is_fault(error: BaseException) -> bool:
    return not isinstance(error, KeyboardInterrupt)


def _play_episode(
    env: gym.Env,
    settings: WarmStartSettings,
    read: Callable[[Any], str],
    *,
    seed: int,
    episode: int,
) -> Iterator[Demonstration]:
    memory = LastSteps(settings.prompting.history_length)
    # One random stream per episode: more seeds or episodes do not change the others.
    rng = np.random.default_rng([settings.seed, seed, episode])
    observation, info = read_reset(env.reset(seed=seed))
    observation = read(observation)
    _check_has_expert(info, settings.env)
    seen_by = defaultdict[str, _OwnTurns](_OwnTurns)
    for _ in range(settings.demonstrations.max_episode_steps):
        own = seen_by[info.get("role", "")]
        if not own.past:
            own.task = info.get("task", "")
        inputs = _prompt_inputs(observation, {"task": own.task, **info}, memory, own.past)
        if settings.prompting.sub_goals and own.past:
            # As `SubGoalParser.format` says.
            inputs = replace(inputs, sub_goal=own.past[-1].action)
        expert_action = info.get("expert_action", "").strip() or None
        if expert_action:
            yield Demonstration(inputs=inputs, action=expert_action, before=own.last)
        action = _choose_action(
            expert_action, inputs, settings.demonstrations.random_action_probability, rng
        )
        if action is None:
            return
        own.past.append(PastStep(len(own.past) + 1, observation=observation, action=action))
        own.last = PlayedTurn(inputs=inputs, executed=action, before=own.last)
        observation, _, terminated, truncated, info = read_step(env.step(action))
        observation = read(observation)
        if terminated or truncated:
            return


def _reader(
    env: gym.Env, settings: WarmStartSettings, images: ImageStore | None
) -> Callable[[Any], str]:
    if images is None or isinstance(env.observation_space, gym.spaces.Text):
        return _as_text
    return image_reader(None, images, max_images=settings.prompting.max_prompt_images)


def _as_text(observation: Any) -> str:
    """Return an observation that is text.

    Raises:
        ContractViolationError: It is not.
    """
    if not isinstance(observation, str):
        raise ContractViolationError(
            "observation",
            f"an observation is {type(observation).__name__}, not text, but the space is Text.",
        )
    return observation


def _prompt_inputs(
    observation: str, info: Mapping[str, Any], memory: Memory, past: Sequence[PastStep]
) -> PromptInputs:
    return PromptInputs(
        observation=observation,
        task=info["task"],
        admissible_actions=tuple(info.get("admissible_actions", ())),
        history=tuple(memory.recall(past)),
        step=len(past) + 1,
        results=ToolResults.of_info(info),
    )


def _choose_action(
    expert_action: str | None,
    inputs: PromptInputs,
    random_action_probability: float,
    rng: np.random.Generator,
) -> str | None:
    """Return the action to execute: the expert's or a random one; None if neither is known."""
    is_random = expert_action is None or rng.random() < random_action_probability
    if is_random and inputs.admissible_actions:
        return _draw(inputs, rng)
    return expert_action


def _draw(inputs: PromptInputs, rng: np.random.Generator) -> str:
    """Return a random admissible action, with its placeholders filled with words of the task."""
    actions = inputs.admissible_actions
    action = actions[int(rng.integers(len(actions)))]
    if not has_placeholder(action):
        return action
    return fill_placeholders(action, inputs.task, random.Random(int(rng.integers(2**32))))


def _encode_response(
    action: str, sub_goal: str, *, parser: ActionParser, encoder: TextEncoder, tokenizer: Any
) -> list[int]:
    """Encode an answer; an action that spells a control token stays text, as in a prompt."""
    ids = encoder.encode(
        parser.format(action, sub_goal=sub_goal),
        lambda: parser.format_marked(action, mark, sub_goal=mark(sub_goal)),
    )
    return [*ids, tokenizer.eos_token_id]


def _check_spaces(env: gym.Env, name: str, *, allows_images: bool) -> None:
    for kind, space in (("observation", env.observation_space), ("action", env.action_space)):
        is_read = allows_images and kind == "observation" and _shows_images(space)
        if not (isinstance(space, gym.spaces.Text) or is_read):
            raise EnvContractError(
                f"A warm start needs a text environment, but the {kind} space of {name!r} is "
                f"{space}. Wrap it in gymnasium.wrappers.Transform{kind.title()} to give it a "
                f"gymnasium.spaces.Text {kind} space, and register the result."
            )


def _shows_images(space: gym.Space) -> bool:
    """Return whether a space has an image, an array with three axes, among its parts."""
    if isinstance(space, gym.spaces.Dict):
        return any(map(_shows_images, space.values()))
    return isinstance(space, gym.spaces.Box) and len(space.shape) == 3


def _check_has_expert(info: Mapping[str, Any], name: str) -> None:
    if "expert_action" not in info:
        raise EnvContractError(
            f"{name!r} names no expert action: the info of reset() has only the keys "
            f"{sorted(info)}. Put a good action for the state in info['expert_action'] (see "
            "rllib_gigpo.envs.contract), or skip the warm start and train an instruction-tuned "
            "model."
        )
