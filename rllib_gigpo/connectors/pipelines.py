"""The three pipelines: RLlib creates them with the user's connectors, and these functions append.

The rollout pipelines run in EnvRunners; the credit pipeline runs once per batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from rllib_gigpo.connectors.credit.assemble_token_rows import AssembleTokenRows
from rllib_gigpo.connectors.credit.compute_advantages import ComputeAdvantages
from rllib_gigpo.connectors.credit.compute_returns import ComputeReturns
from rllib_gigpo.connectors.credit.group_anchors import GroupAnchors
from rllib_gigpo.connectors.credit.pair_episodes import PairEpisodes
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.read_sub_goals import ReadSubGoals
from rllib_gigpo.connectors.credit.shaping.filter_overlong import FilterOverlong
from rllib_gigpo.connectors.credit.shaping.penalize_divergence import PenalizeDivergence
from rllib_gigpo.connectors.credit.shaping.penalize_invalid import PenalizeInvalid
from rllib_gigpo.connectors.credit.shaping.penalize_overlong import PenalizeOverlong
from rllib_gigpo.connectors.credit.shaping.reward_uncertainty import RewardUncertainty
from rllib_gigpo.connectors.credit.split_roles import SplitRoles
from rllib_gigpo.connectors.env_to_module.add_history import AddHistory
from rllib_gigpo.connectors.env_to_module.continue_conversation import ContinueConversation
from rllib_gigpo.connectors.env_to_module.keep_images import KeepImages
from rllib_gigpo.connectors.env_to_module.observation_to_text import ObservationToText
from rllib_gigpo.connectors.env_to_module.render_prompt import RenderPrompt
from rllib_gigpo.connectors.module_to_env.action_to_env import ActionToEnv
from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.connectors.module_to_env.follow_sub_goals import FollowSubGoals
from rllib_gigpo.connectors.module_to_env.parse_action import ParseAction
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.models.context import reads_images
from rllib_gigpo.models.tokenizer import load_tokenizer
from rllib_gigpo.prompting import SubGoalParser, ToolUse, parser_of, renderer_of
from rllib_gigpo.prompting.action_parser import ResponseParser
from rllib_gigpo.prompting.chat_format import opens_thought
from rllib_gigpo.prompting.contents.image_contents import ImageContents
from rllib_gigpo.prompting.contents.image_reader import image_reader
from rllib_gigpo.prompting.contents.text_contents import Contents
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.memory import LastSteps
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.tool_calls.tool_use import find_tool_use, tools_of

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings
    from rllib_gigpo.config.sections.prompts import PromptSection


def append_env_to_module_pieces(
    pipeline: Any, settings: Settings, tools: Sequence[Mapping[str, Any]] = ()
) -> Any:
    """Append observation -> text -> history -> prompt token ids, with an environment's tools."""
    prompts, contents = settings.prompts, Contents()
    to_text = prompts.observation_to_text
    if reads_images(settings.model.model_path):
        store = ImageStore()
        contents = image_contents(settings, store)
        pipeline.append(KeepImages(store))
        to_text = image_reader(to_text, store, max_images=settings.model.images.max_in_prompt)
    renderer = prompt_renderer(settings, contents, tools)
    pipeline.append(ObservationToText(to_text))
    if isinstance(renderer, ConversationRenderer):
        pipeline.append(ContinueConversation(renderer, to_text))
        return pipeline
    memory = prompts.memory or LastSteps(prompts.history_length)
    pipeline.append(AddHistory(memory, to_text))
    pipeline.append(RenderPrompt(renderer))
    return pipeline


def append_module_to_env_pieces(
    pipeline: Any, settings: Settings, action_space: gym.Space, *, env: gym.Env | None
) -> Any:
    """Append response token ids -> text -> parsed action, sub-goal -> action of the space."""
    prompts = settings.prompts
    tokenizer = load_tokenizer(settings.model.model_path)
    parser = response_parser(
        prompts,
        tool_use(settings, tokenizer, tools_of(env, action_space)),
        opens_thought=opens_thought(
            tokenizer, prompts.think_tag, settings.model.chat_template_kwargs
        ),
    )
    tags = getattr(parser, "tags", ())  # a custom parser may lack them
    pipeline.append(DecodeResponse(tokenizer, tags, getattr(parser, "marks", ())))
    pipeline.append(ParseAction(parser))
    if isinstance(parser, SubGoalParser):
        pipeline.append(FollowSubGoals(parser, tokenizer))
    pipeline.append(ActionToEnv(action_space, **action_hints(env)))
    return pipeline


def append_credit_pieces(pipeline: Any, settings: Settings, *, seed: int | None) -> Any:
    """Append episodes -> rewards -> penalties -> returns -> anchors -> advantages -> token rows.

    Roles are split before anything is subtracted: divergences and penalties are a row's own.
    """
    credit, penalties = settings.credit, settings.credit.penalties
    pipeline.append(ReadSteps())
    pipeline.append(SplitRoles())
    if settings.loss.process_reward is not None:
        pipeline.append(PairEpisodes(settings.loss.process_reward.beta))
    pipeline.append(PenalizeDivergence())
    if credit.uncertainty_reward is not None:
        pipeline.append(RewardUncertainty(credit.uncertainty_reward))
    pipeline.append(PenalizeInvalid(format=penalties.format, admissible=penalties.admissible))
    if settings.prompts.sub_goals:
        pipeline.append(ReadSubGoals(penalty=penalties.sub_goal))
    if penalties.overlong is not None:
        max_tokens = settings.model.max_response_tokens
        pipeline.append(PenalizeOverlong(penalties.overlong, max_tokens=max_tokens))
    if penalties.filter_overlong:
        pipeline.append(FilterOverlong())
    pipeline.append(ComputeReturns(gamma=credit.gamma, penalize_rows=penalties.mode == "row"))
    pipeline.append(GroupAnchors(credit.anchor))
    pipeline.append(ComputeAdvantages(credit.rule, credit.advantages))
    pipeline.append(
        AssembleTokenRows(
            num_minibatches=settings.optimizer.num_minibatches,
            seed=seed,
            minibatch_by=settings.learners.minibatch_by,
            keep_groups=settings.learners.prefix_sharing is not False,
        )
    )
    return pipeline


def response_parser(
    prompts: PromptSection, tools: ToolUse | None = None, *, opens_thought: bool = False
) -> ResponseParser:
    """Return the parser that the settings name, or else one that reads tool calls or the tags."""
    return prompts.action_parser or parser_of(
        sub_goals=prompts.sub_goals,
        action_tag=prompts.action_tag,
        think_tag=prompts.think_tag,
        require_think=prompts.require_think,
        opens_thought=opens_thought,
        tools=tools,
    )


def tool_use(
    settings: Settings, tokenizer: Any, tools: Sequence[Mapping[str, Any]]
) -> ToolUse | None:
    """Find out how the model uses an environment's tools; see `find_tool_use`."""
    kwargs = settings.model.chat_template_kwargs
    return find_tool_use(tokenizer, settings.prompts.tools, tools, chat_template_kwargs=kwargs)


def action_hints(env: gym.Env | None) -> dict[str, Any]:
    """Read the names and the no-op that an environment may define for a Discrete space."""
    if env is None:
        return {}
    unwrapped = env.unwrapped
    meanings = getattr(unwrapped, "action_meanings", None)
    if meanings is None and hasattr(unwrapped, "get_action_meanings"):
        meanings = unwrapped.get_action_meanings()
    return {"action_meanings": meanings, "noop_action": getattr(unwrapped, "noop_action", None)}


def image_contents(settings: Settings, store: ImageStore) -> Contents:
    """Return what prompts with images are made of, for a model that reads images."""
    from rllib_gigpo.models.vision.families import vision_family

    tokens = vision_family(settings.model.model_path)
    assert tokens is not None
    return ImageContents(tokens, store, max_images=settings.model.images.max_in_prompt)


def prompt_renderer(
    settings: Settings,
    contents: Contents | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
) -> PromptRenderer:
    """Build the renderer of a run's prompts, with the model's own tokenizer."""
    model, prompts = settings.model, settings.prompts
    tokenizer = load_tokenizer(model.model_path)
    return renderer_of(
        prompts.style,
        tokenizer,
        prompts.template,
        tools=tool_use(settings, tokenizer, tools),
        max_prompt_tokens=model.max_prompt_tokens,
        system_prompt=model.system_prompt,
        chat_template_kwargs=model.chat_template_kwargs,
        action_tag=prompts.action_tag,
        think_tag=prompts.think_tag,
        contents=contents,
    )
