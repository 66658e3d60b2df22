"""From an observation to a prompt, and from an answer to an action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, NonNegativeInt

from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.prompting.action_parser import ResponseParser
from rllib_gigpo.prompting.memory import Memory
from rllib_gigpo.prompting.template import PromptTemplate

Template = Annotated[PromptTemplate, BeforeValidator(PromptTemplate.from_name_or_source)]


class PromptSection(Section):
    """Settings of `GiGPOConfig.prompting`."""

    template: Template = setting(
        "default", "Name of a shipped template, path of a .jinja file, or Jinja source."
    )
    history_length: NonNegativeInt = setting(2, "Past steps in the prompt.")
    memory: Memory | None = setting(None, "What recalls past steps; None for the last ones.")
    action_tag: str | None = setting(
        "action", "The action stands between <tag> and </tag>; None takes the whole answer."
    )
    think_tag: str | None = setting("think", "Name of the tag for reasoning.")
    require_think: bool = setting(False, "Whether an answer without reasoning is invalid.")
    action_parser: ResponseParser | None = setting(None, "None for an `ActionParser` of the tags.")
    observation_to_text: Callable[[Any], str] | str | None = setting(
        None, "For observations that are not text: a function, or Jinja over a Dict observation."
    )


def thinking(require_think: bool, think_tag: str | None) -> Iterator[str]:
    """Reasoning is found by its tag."""
    if require_think and think_tag is None:
        yield "require_think=True needs a think_tag"


CHECKS = (thinking,)
