"""Settings of prompts and parsing: from observation to prompt, and from answer to action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeInt

from rllib_gigpo import columns
from rllib_gigpo.credit.penalties import Penalties
from rllib_gigpo.credit.rules import CreditRule
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.prompting import parser_of
from rllib_gigpo.prompting.action_parser import ResponseParser
from rllib_gigpo.prompting.memory import RecallsSteps
from rllib_gigpo.prompting.template import PromptTemplate
from rllib_gigpo.prompting.tool_calls import ToolCallFormat, tool_setting

Template = Annotated[PromptTemplate, BeforeValidator(PromptTemplate.from_name_or_source)]
Style = Literal["auto", "step", "conversation"]
ToolFormat = Annotated[ToolCallFormat | str | None, BeforeValidator(tool_setting)]


class PromptSection(Section):
    """Settings of `GiGPOConfig.prompting`."""

    style: Style = setting("auto", "A prompt a step, or one chat; 'auto': a chat if tools exist.")
    tools: ToolFormat = setting("auto", "Format of tool calls; None for none; docs/tools.md.")
    template: Template = setting("default", "A shipped name, a .jinja file's path, or the source.")
    history_length: NonNegativeInt = setting(2, "Past steps in the prompt; style='step'.")
    memory: RecallsSteps | None = setting(None, "Selects past steps; None for the latest ones.")
    action_tag: str | None = setting("action", "Tag around the action; None for the whole answer.")
    think_tag: str | None = setting("think", "Tag around the reasoning; None for no reasoning.")
    require_think: bool = setting(False, "Whether an answer without reasoning is invalid.")
    sub_goals: bool = setting(False, "Whether answers keep or switch a sub-goal; rule='hiper'.")
    action_parser: ResponseParser | None = setting(None, "Custom parser; None to use the tags.")
    observation_to_text: Callable[[Any], str] | str | None = setting(
        None, "For observations that are not text: a function, or Jinja for a Dict observation."
    )


def tags(
    sub_goals: bool, action_tag: str | None, think_tag: str | None, require_think: bool
) -> Iterator[str]:
    """Check that the tags can be parsed."""
    try:
        parser_of(
            sub_goals=sub_goals,
            action_tag=action_tag,
            think_tag=think_tag,
            require_think=require_think,
        )
    except ConfigError as error:
        yield str(error)


def past(style: str, memory: RecallsSteps | None) -> Iterator[str]:
    """Reject a memory in a conversation, which shows all past steps."""
    if style == "conversation" and memory is not None:
        yield "memory has no effect with style='conversation', which shows all steps; set None"


def blocks(
    sub_goals: bool,
    template: PromptTemplate,
    action_parser: ResponseParser | None,
    rule: CreditRule,
    penalties: Penalties,
) -> Iterator[str]:
    """Require sub-goals where they are read, and the parser that finds them."""
    if sub_goals and action_parser is not None:
        yield "sub_goals has no effect with your own action_parser; leave one of them out"
    if not sub_goals and columns.SEGMENT_STARTS in (rule.needs or ()):
        yield f"rule={rule.name!r} needs sub-goals; set prompting(sub_goals=True)"
    if sub_goals and "sub_goal" not in template.variables:
        yield (
            f"template={template.name!r} does not show the sub_goal that the agent may keep; use"
            " template='sub_goals', or write {{ sub_goal }} and ask for the blocks"
        )
    if not sub_goals and "sub_goal" in template.variables:
        yield f"template={template.name!r} shows a sub_goal; set prompting(sub_goals=True)"
    if not sub_goals and penalties.sub_goal:
        yield f"penalties.sub_goal={penalties.sub_goal} has no effect with {sub_goals=}; set 0"


CHECKS = (tags, past, blocks)
