"""The tools of an environment whose actions are calls of tools (MCP), as text for the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..messages import STEP
from .play_session import PlaySession
from .server_schema import field_type

_LIST = {"type": "list_tools"}  # openenv's ListToolsAction
_FORM = '{"tool_name": "...", "arguments": {...}}'


def ask_for_tools(session: PlaySession) -> str:
    """Return what the tools are and how to call one, in lines; empty if the server lists none."""
    observation = session.ask(STEP, _LIST).get("observation")
    tools = observation.get("tools") if isinstance(observation, Mapping) else None
    lines = [
        _line(tool)
        for tool in (tools if isinstance(tools, list) else [])
        if isinstance(tool, Mapping)
    ]
    return "\n".join([f"Call one tool at a time: {_FORM}. Tools:", *lines]) if lines else ""


def _line(tool: Mapping[str, Any]) -> str:
    schema = tool.get("input_schema")
    fields = schema.get("properties") if isinstance(schema, Mapping) else None
    fields = fields if isinstance(fields, Mapping) else {}
    kinds = {name: field_type(field) or "any" for name, field in fields.items()}
    about = " ".join(str(tool.get("description") or "").split())
    return f"- {tool.get('name')} {json.dumps(kinds)}: {about}"
