"""The body of a chat-completion request, checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.envs.tools.call_space import parameters_of

ROLES = ("system", "developer", "user", "assistant", "tool")
# They would change which answers are possible, so that their log-probs would be others.
_UNSUPPORTED: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    **dict.fromkeys(
        ("guided_json", "guided_regex", "guided_choice", "structured_outputs"), (None,)
    ),
    "chat_template_kwargs": (None, {}),
    "response_format": (None, {"type": "text"}),
    "logit_bias": (None, {}),
    "functions": (None, []),
    "logprobs": (None, False),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
}

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for the next message of a chat.

    Attributes:
        messages: The messages so far; each has a role, a ``content`` of text, and where it is an
            assistant's or a tool's, ``tool_calls`` (with arguments as an object), ``tool_call_id``
            and ``name``.
        tools: Schemas of the tools that the model may call, in OpenAI's form.
        max_tokens: Longest answer; None for that of the run.
        stops: Texts at which an answer ends; they are not part of its text.
        model: The name that the program gave to the model.
        is_streamed: Whether the answer is sent as server-sent events.
        with_usage: Whether a streamed answer ends with the numbers of tokens.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    model: str = ""
    is_streamed: bool = False
    with_usage: bool = False

    @classmethod
    def from_body(cls, body: bytes) -> ChatRequest:
        """Read a body.

        Raises:
            ChatError: It is not a request that the endpoint can serve.
        """
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
            raise ChatError(f"The body is not valid JSON: {error}") from error
        if not isinstance(data, dict):
            raise ChatError("The body must be a JSON object with messages.")
        _refuse_unsupported(data)
        messages = data.get("messages")
        if not isinstance(messages, list) or not messages:
            raise ChatError("messages must be a list of at least one message.")
        tools = () if data.get("tool_choice") == "none" else tuple(_tools(data))
        options = data.get("stream_options")
        return cls(
            messages=tuple(_message(one, index) for index, one in enumerate(messages)),
            tools=tools,
            max_tokens=_max_tokens(data),
            stops=_stops(data.get("stop")),
            model=valid_text(str(data.get("model", ""))),
            is_streamed=bool(data.get("stream", False)),
            with_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        )


def _refuse_unsupported(data: Mapping[str, Any]) -> None:
    for name, neutral in _UNSUPPORTED.items():
        if data.get(name) not in neutral:
            raise ChatError(
                f"{name}={_short(data[name])} is not supported: the model answers from its own"
                f" distribution, under the chat template of the run. Leave {name} out.",
                code="unsupported_parameter",
            )


def _max_tokens(data: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = data.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ChatError(f"{name}={value!r} must be a positive whole number.")
        return value
    return None


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops):
        raise ChatError(
            f"stop={_short(stop)} must be a text or a list of texts that are not empty."
        )
    return tuple(stops)


def _tools(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    tools = data.get("tools") or []
    if not isinstance(tools, list):
        raise ChatError("tools must be a list of tool schemas.")
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ChatError(
                f"{_short(tool)} is not a tool: each needs type 'function' and a function with a"
                " name and parameters."
            )
        if not isinstance(parameters_of(function), dict):
            raise ChatError(f"The parameters of {function['name']!r} must be a JSON schema.")
        yield tool


def _message(message: Any, index: int) -> Message:
    """Return a message in one form, so that equal messages of all clients are equal."""
    where = f"messages[{index}]"
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise ChatError(f"{where} needs a role, one of {', '.join(ROLES)}: {_short(message)}")
    role = "system" if message["role"] == "developer" else message["role"]
    kept: Message = {"role": role, "content": _text(message.get("content"), where)}
    calls = message.get("tool_calls")
    if calls:
        kept["tool_calls"] = [_call(call, where) for call in calls]
    names = ("tool_call_id", "name") if role == "tool" else ()  # frameworks add others at will
    return kept | {name: valid_text(message[name]) for name in names if _is_text(message.get(name))}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _text(content: Any, where: str) -> str:
    """Join the text of a content, which is a string, a list of parts, or nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return valid_text(content)
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ChatError(
            f"{where} has content other than text: {_short(content)}. The endpoint takes a string"
            " or parts of type 'text'."
        )
    return valid_text("".join(map(str, texts)))


def _call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ChatError(f"{where} has a tool call without a function's name: {_short(call)}")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise ChatError(f"{where} has arguments that are not valid JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ChatError(f"{where} has arguments that are not an object: {_short(arguments)}")
    return {
        "id": valid_text(str(call.get("id", ""))),
        "type": "function",
        "function": {"name": valid_text(function["name"]), "arguments": arguments},
    }


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]} ..."
