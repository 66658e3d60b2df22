"""The three pipelines: RLlib builds them with the user's pieces, these functions append ours."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES

from rllib_gigpo.connectors.credit.assemble_token_rows import AssembleTokenRows
from rllib_gigpo.connectors.credit.compute_returns import ComputeReturns
from rllib_gigpo.connectors.credit.estimate_advantages import EstimateAdvantages
from rllib_gigpo.connectors.credit.filter_overlong import FilterOverlong
from rllib_gigpo.connectors.credit.group_anchors import GroupAnchors
from rllib_gigpo.connectors.credit.penalize_divergence import PenalizeDivergence
from rllib_gigpo.connectors.credit.penalize_overlong import PenalizeOverlong
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.env_to_module.add_history import AddHistory
from rllib_gigpo.connectors.env_to_module.observation_to_text import ObservationToText
from rllib_gigpo.connectors.env_to_module.render_prompt import RenderPrompt
from rllib_gigpo.connectors.module_to_env.action_to_env import ActionToEnv
from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.connectors.module_to_env.parse_action import ParseAction
from rllib_gigpo.models.tokenizer import load_tokenizer
from rllib_gigpo.prompting.action_parser import ActionParser
from rllib_gigpo.prompting.memory import LastSteps
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.template import PromptTemplate


def append_env_to_module_pieces(pipeline: Any, config: Any) -> Any:
    """Observation -> text -> history -> prompt token ids."""
    memory = config.memory or LastSteps(config.history_length)
    pipeline.append(ObservationToText(config.observation_to_text))
    pipeline.append(AddHistory(memory, config.observation_to_text))
    pipeline.append(RenderPrompt(prompt_renderer(config)))
    return pipeline


def append_module_to_env_pieces(
    pipeline: Any, config: Any, *, env: gym.Env | None, spaces: dict[str, Any] | None
) -> Any:
    """Response token ids -> text -> parsed action -> action of the space."""
    parser = config.action_parser or ActionParser(
        action_tag=config.action_tag,
        think_tag=config.think_tag,
        require_think=config.require_think,
    )
    pipeline.append(DecodeResponse(load_tokenizer(config.model_path)))
    pipeline.append(ParseAction(parser))
    action_space = env.action_space if env is not None else _single_spaces(config, spaces)[1]
    pipeline.append(ActionToEnv(action_space, **_action_hints(env)))
    return pipeline


def append_credit_pieces(pipeline: Any, config: Any) -> Any:
    """Episodes -> rewards -> returns -> anchor groups -> advantages -> token rows."""
    pipeline.append(
        ReadSteps(
            format_penalty=config.format_penalty,
            admissible_penalty=config.admissible_penalty,
            observation_to_text=config.observation_to_text,
        )
    )
    if config.kl_coeff > 0 and config.kl_placement == "reward":
        pipeline.append(PenalizeDivergence())
    if config.overlong_buffer_tokens:
        pipeline.append(
            PenalizeOverlong(
                max_tokens=config.max_response_tokens,
                buffer_tokens=config.overlong_buffer_tokens,
                weight=config.overlong_penalty,
            )
        )
    if config.overlong_filter:
        pipeline.append(FilterOverlong())
    pipeline.append(ComputeReturns(gamma=config.gamma, penalty_mode=config.penalty_mode))
    pipeline.append(
        GroupAnchors(
            anchor=config.anchor,
            threshold=config.anchor_threshold,
            ratio=config.anchor_ratio,
            within_trajectory=config.anchor_within_trajectory,
        )
    )
    pipeline.append(EstimateAdvantages.from_config(config))
    pipeline.append(AssembleTokenRows(num_minibatches=config.num_minibatches, seed=config.seed))
    return pipeline


def _single_spaces(config: Any, spaces: dict[str, Any] | None) -> tuple[Any, Any]:
    if spaces is not None and INPUT_ENV_SINGLE_SPACES in spaces:
        return spaces[INPUT_ENV_SINGLE_SPACES]
    return config.observation_space, config.action_space


def _action_hints(env: gym.Env | None) -> dict[str, Any]:
    """What an environment with a Discrete space may say about its actions."""
    if env is None:
        return {}
    unwrapped = env.unwrapped
    meanings = getattr(unwrapped, "action_meanings", None)
    if meanings is None and hasattr(unwrapped, "get_action_meanings"):
        meanings = unwrapped.get_action_meanings()
    return {"action_meanings": meanings, "noop_action": getattr(unwrapped, "noop_action", None)}


def prompt_renderer(config: Any) -> PromptRenderer:
    """The renderer of a config's prompts, with the model's own tokenizer."""
    return PromptRenderer(
        load_tokenizer(config.model_path),
        PromptTemplate.from_name_or_source(config.template),
        max_prompt_tokens=config.max_prompt_tokens,
        system_prompt=config.system_prompt,
        chat_template_kwargs=config.chat_template_kwargs,
        action_tag=config.action_tag,
        think_tag=config.think_tag,
    )
