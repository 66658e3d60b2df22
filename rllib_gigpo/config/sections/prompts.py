"""Settings of prompts and parsing: from observation to prompt, and from answer to action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeInt

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.prompting.action_parser import ActionParser, ResponseParser
from rllib_gigpo.prompting.memory import RecallsSteps
from rllib_gigpo.prompting.template import PromptTemplate

Template = Annotated[PromptTemplate, BeforeValidator(PromptTemplate.from_name_or_source)]


class PromptSection(Section):
    """Settings of `GiGPOConfig.prompting`."""

    style: Literal["step", "conversation"] = setting("step", "A prompt a step, or one long chat.")
    template: Template = setting("default", "A shipped name, a .jinja file's path, or the source.")
    history_length: NonNegativeInt = setting(2, "Past steps in the prompt; style='step'.")
    memory: RecallsSteps | None = setting(None, "Selects past steps; None for the latest ones.")
    action_tag: str | None = setting(
        "action", "Tag around the action in the answer; None takes the whole answer."
    )
    think_tag: str | None = setting("think", "Tag around the reasoning; None for no reasoning.")
    require_think: bool = setting(False, "Whether an answer without reasoning is invalid.")
    action_parser: ResponseParser | None = setting(None, "Custom parser; None to use the tags.")
    observation_to_text: Callable[[Any], str] | str | None = setting(
        None, "For observations that are not text: a function, or Jinja for a Dict observation."
    )


def tags(action_tag: str | None, think_tag: str | None, require_think: bool) -> Iterator[str]:
    """Check that the tags can be parsed."""
    try:
        ActionParser(action_tag=action_tag, think_tag=think_tag, require_think=require_think)
    except ConfigError as error:
        yield str(error)


def past(style: str, memory: RecallsSteps | None) -> Iterator[str]:
    """Reject a memory in a conversation, which shows all past steps."""
    if style == "conversation" and memory is not None:
        yield "memory has no effect with style='conversation', which shows all steps; set None"


CHECKS = (tags, past)
