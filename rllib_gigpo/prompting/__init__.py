"""From the facts of a turn to prompt token ids, and from the text of a response to an action."""

from rllib_gigpo.prompting.action_parser import ActionParser, ParsedAction
from rllib_gigpo.prompting.block_parser import BlockParser
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.memory import LastSteps, Memory, PastStep
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.sub_goals.sub_goal_parser import SubGoalParser
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate, shipped_template_names

RENDERERS: dict[str, type[PromptRenderer]] = {
    "step": PromptRenderer,
    "conversation": ConversationRenderer,
}  # by the setting `style`


def parser_of(
    *, sub_goals: bool, action_tag: str | None, think_tag: str | None, require_think: bool
) -> ActionParser:
    """Build the parser of answers in tags; see `ActionParser`.

    Args:
        sub_goals: Whether answers name a sub-goal before their action.
        action_tag: See `ActionParser`.
        think_tag: See `ActionParser`.
        require_think: See `ActionParser`.

    Raises:
        ConfigError: The tags do not fit.
    """
    kind = SubGoalParser if sub_goals else ActionParser
    return kind(action_tag=action_tag, think_tag=think_tag, require_think=require_think)


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
    "parser_of",
    "shipped_template_names",
]
