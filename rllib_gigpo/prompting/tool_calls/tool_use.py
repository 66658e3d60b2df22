"""`ToolUse`: how one model uses an environment's tools, found out by trying its chat template."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.envs.tools.call_space import parameters_of
from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_format import ChatFormat
from rllib_gigpo.prompting.template import PromptTemplate
from rllib_gigpo.prompting.tool_calls import AUTO, TOOL_CALL_FORMATS
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat, json_text

logger = logging.getLogger(__name__)

_QUESTION, _ANSWER = "probe 4711 text", "answer 0815 text"
_CALL = ToolCall("probe_tool", {"probe_key": "probe value"})

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """How a model is told of tools, and how it calls them.

    Attributes:
        tool_format: The format of its calls.
        schemas: The tools, in OpenAI's form.
        in_template: Whether the chat template shows them; otherwise the system prompt does.
    """

    tool_format: ToolCallFormat
    schemas: Sequence[Schema]
    in_template: bool

    def template_kwargs(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of the chat template."""
        own = {"tools": [dict(one) for one in self.schemas]} if self.in_template else {}
        return {**(given or {}), **own}

    def system_prompt(self, given: str | None) -> str | None:
        """Return the system prompt."""
        if self.in_template:
            return given
        example = self.tool_format.write([ToolCall("name", {"argument": "value"})])
        told = "\n".join(
            [
                "You can call these tools, given as JSON schemas:",
                *(json_text(one["function"]) for one in self.schemas),
                "To call one, write:",
                example,
                "The next message is its result. Give the final answer without a call.",
            ]
        )
        return f"{given}\n\n{told}" if given else told

    @staticmethod
    def template(given: PromptTemplate) -> PromptTemplate:
        """Return the template of messages: the default's instructions do not suit tools."""
        return PromptTemplate.from_name_or_source("tools") if given.name == "default" else given


def tools_of(env: Any, action_space: Any = None) -> list[Schema]:
    """Return the schemas of an environment's tools; empty if it has none.

    Args:
        env: The environment, whose attribute ``tools`` lists them; None if only its space is known.
        action_space: Its action space, which may have the same attribute.
    """
    own = None if env is None else getattr(env.unwrapped, "tools", None)
    return list(own or getattr(action_space, "tools", None) or ())


def find_tool_use(
    tokenizer: Any,
    setting: ToolCallFormat | str | None,
    schemas: Sequence[Schema],
    *,
    chat_template_kwargs: Mapping[str, Any] | None = None,
) -> ToolUse | None:
    """Find out how a model uses tools; None if there are none, or the setting turns them off.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template.
        setting: A format; "auto" for the one in which the chat template writes calls; None for no
            tools.
        schemas: The environment's tools.
        chat_template_kwargs: Arguments of the chat template.

    Raises:
        ConfigError: A format is set, but there are no tools; or "auto" finds no format.
    """
    if setting is None or not schemas:
        if isinstance(setting, ToolCallFormat):
            raise ConfigError(
                f"prompting(tools={setting.name!r}) needs an environment with tools (an attribute"
                " tools with their schemas, docs/tools.md); leave it at 'auto'."
            )
        return None
    kwargs = dict(chat_template_kwargs or {})
    schemas = [_with_parameters(one) for one in schemas]
    chosen = setting if isinstance(setting, ToolCallFormat) else _format_of(tokenizer, kwargs)
    in_template = _shows(tokenizer, schemas, kwargs)
    if not in_template:
        logger.warning(
            "The tokenizer's chat template does not show tools, so the system prompt describes them"
            " and the format %r (docs/tools.md).",
            chosen.name,
        )
    return ToolUse(chosen, schemas, in_template)


def _with_parameters(schema: Schema) -> Schema:
    """Return a schema whose parameters are not left out: chat templates read them."""
    function = schema["function"]
    parameters = parameters_of(function) or {"type": "object", "properties": {}}
    return {**schema, "function": {**function, "parameters": parameters}}


def later_kwargs(chat: ChatFormat, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the chat template for what follows an answer.

    Some templates show the tools before the latest message. In a chat that is only appended to,
    they would stand there again and again, so they are left out.

    Args:
        chat: The format of the first message.
        given: The arguments of the chat template.
    """
    messages = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in (("user", _QUESTION), ("assistant", _ANSWER), ("user", _QUESTION))
    ]
    names = [one["function"]["name"] for one in given.get("tools", ())]
    try:
        after = chat.render(messages).rpartition(_ANSWER)[2]
        is_repeated = any(name in after for name in names)
    except ConfigError:
        is_repeated = True
    return {name: value for name, value in given.items() if name != "tools" or not is_repeated}


def _format_of(tokenizer: Any, kwargs: Mapping[str, Any]) -> ToolCallFormat:
    text = ""
    for text in _written_calls(tokenizer, kwargs):
        for kind in TOOL_CALL_FORMATS.known.values():
            if kind().parse(text) == [_CALL]:
                return kind()
    found = f"it writes a call as {text[:120]!r}" if text else "it writes no calls"
    raise ConfigError(
        f"prompting(tools={AUTO!r}): no format fits the tokenizer's chat template; {found}. Set"
        f" tools to one of {', '.join(TOOL_CALL_FORMATS.names())} (hermes if the model knows none),"
        " or to your own class; docs/tools.md."
    )


def _written_calls(tokenizer: Any, kwargs: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the chat template writes a call, for each form of messages that it takes."""
    user = {"role": "user", "content": _QUESTION}
    for arguments in (dict(_CALL.arguments), json_text(_CALL.arguments)):
        function = {"name": _CALL.name, "arguments": arguments}
        call = {"id": "000000000", "type": "function", "function": function}
        for content in ("", None):
            answer = {"role": "assistant", "content": content, "tool_calls": [call]}
            text = _rendered_or_none(tokenizer, [user, answer], _probe_kwargs(kwargs)) or ""
            after = text.rpartition(_QUESTION)[2]
            if _CALL.name in after:
                yield after


def _probe_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"probe_key": {"type": "string", "description": "A key."}}
    parameters = {"type": "object", "properties": properties, "required": ["probe_key"]}
    function = {"name": "other_tool", "description": "A tool.", "parameters": parameters}
    return {**kwargs, "tools": [{"type": "function", "function": function}]}


def _shows(tokenizer: Any, schemas: Sequence[Schema], kwargs: Mapping[str, Any]) -> bool:
    user = {"role": "user", "content": _QUESTION}
    without = _rendered_or_none(tokenizer, [user], kwargs) or ""
    text = _rendered_or_none(tokenizer, [user], {**kwargs, "tools": list(schemas)}) or ""
    names = [one["function"]["name"] for one in schemas]
    return all(text.count(name) > without.count(name) for name in names)


def _rendered_or_none(
    tokenizer: Any, messages: list[dict[str, Any]], kwargs: Mapping[str, Any]
) -> str | None:
    for is_parts in (False, True):
        given = [_in_parts(one) if is_parts else one for one in messages]
        try:
            text = tokenizer.apply_chat_template(given, tokenize=False, **kwargs)
        except Exception:  # a template may do anything that Jinja's sandbox allows
            continue
        if _QUESTION in text:
            return text
    return None


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    return {**message, "content": [{"type": "text", "text": content}] if content else []}
