"""From the facts of a turn to prompt token ids, and from the text of a response to an action."""

from rllib_gigpo.prompting.action_parser import ActionParser, ParsedAction
from rllib_gigpo.prompting.block_parser import BlockParser
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.memory import LastSteps, Memory, PastStep
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate, shipped_template_names

RENDERERS: dict[str, type[PromptRenderer]] = {
    "step": PromptRenderer,
    "conversation": ConversationRenderer,
}  # by the setting `style`

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
    "shipped_template_names",
]
