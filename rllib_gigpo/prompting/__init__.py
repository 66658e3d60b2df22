"""From the facts of a turn to prompt token ids, and from the text of a response to an action."""

from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.action_parser import ActionParser, ParsedAction
from rllib_gigpo.prompting.block_parser import BlockParser
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.memory import LastSteps, Memory, PastStep
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.sub_goals.sub_goal_parser import SubGoalParser
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate, shipped_template_names
from rllib_gigpo.prompting.tool_calls.tool_call_parser import ToolCallParser
from rllib_gigpo.prompting.tool_calls.tool_conversation import ToolConversationRenderer
from rllib_gigpo.prompting.tool_calls.tool_use import ToolUse

RENDERERS: dict[str, type[PromptRenderer]] = {
    "step": PromptRenderer,
    "conversation": ConversationRenderer,
}  # by the setting `style`


def renderer_of(
    style: str,
    tokenizer: Any,
    template: PromptTemplate,
    *,
    tools: ToolUse | None = None,
    **kwargs: Any,
) -> PromptRenderer:
    """Build the renderer of prompts.

    Args:
        style: "step" or "conversation"; "auto" for a conversation with tools, and else "step".
        tokenizer: See `PromptRenderer`.
        template: See `PromptRenderer`.
        tools: How the model uses the environment's tools; None without tools.
        **kwargs: See `PromptRenderer`.

    Raises:
        ConfigError: There is no such style, or see `PromptRenderer`.
    """
    if style not in (*RENDERERS, "auto"):
        raise ConfigError(f"style={style!r} is unknown; use one of {sorted(RENDERERS)} or 'auto'.")
    if tools is None:
        return RENDERERS["step" if style == "auto" else style](tokenizer, template, **kwargs)
    kwargs["chat_template_kwargs"] = tools.template_kwargs(kwargs.get("chat_template_kwargs"))
    kwargs["system_prompt"] = tools.system_prompt(kwargs.get("system_prompt"))
    kind = PromptRenderer if style == "step" else ToolConversationRenderer
    return kind(tokenizer, tools.template(template), **kwargs)


def parser_of(
    *,
    sub_goals: bool,
    action_tag: str | None,
    think_tag: str | None,
    require_think: bool,
    opens_thought: bool = False,
    tools: ToolUse | None = None,
) -> ActionParser:
    """Build the parser of answers in tags, or with tool calls; see `ActionParser`.

    Args:
        sub_goals: Whether answers name a sub-goal before their action.
        action_tag: See `ActionParser`.
        think_tag: See `ActionParser`.
        require_think: See `ActionParser`.
        opens_thought: See `ActionParser`.
        tools: How the model calls tools, which needs no action_tag; None without tools.

    Raises:
        ConfigError: The tags do not fit, or there are tools and sub-goals.
    """
    if tools is not None and sub_goals:
        raise ConfigError("sub_goals and tools exclude each other; set prompting(tools=None)")
    thought: dict[str, Any] = {
        "think_tag": think_tag,
        "require_think": require_think,
        "opens_thought": opens_thought,
    }
    if tools is not None:
        return ToolCallParser(tools.tool_format, schemas=tools.schemas, **thought)
    kind = SubGoalParser if sub_goals else ActionParser
    return kind(action_tag=action_tag, **thought)


__all__ = [
    "RENDERERS",
    "ActionParser",
    "BlockParser",
    "ConversationRenderer",
    "LastSteps",
    "Memory",
    "ParsedAction",
    "PastStep",
    "Prompt",
    "PromptInputs",
    "PromptRenderer",
    "PromptTemplate",
    "SubGoalParser",
    "ToolCallParser",
    "ToolConversationRenderer",
    "ToolUse",
    "parser_of",
    "renderer_of",
    "shipped_template_names",
]
