"""Tool calls as models write them, and the formats by name."""

from __future__ import annotations

from typing import Any

from rllib_gigpo.options.registry import Registry
from rllib_gigpo.prompting.tool_calls.hermes_format import HermesFormat
from rllib_gigpo.prompting.tool_calls.llama3_format import Llama3Format
from rllib_gigpo.prompting.tool_calls.mistral_format import MistralArgsFormat, MistralFormat
from rllib_gigpo.prompting.tool_calls.qwen3_coder_format import Qwen3CoderFormat
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat

AUTO = "auto"
# A format whose marks are plain comes last: the first that reads a template's call is taken.
TOOL_CALL_FORMATS: Registry[ToolCallFormat] = Registry(
    "tools",
    ToolCallFormat,
    (HermesFormat, Qwen3CoderFormat, MistralFormat, MistralArgsFormat, Llama3Format),
)


def tool_setting(value: Any) -> ToolCallFormat | str | None:
    """Return a value of the setting ``tools``: a format, "auto", or None for no tools.

    Raises:
        ConfigError: There is no such format.
    """
    if value is None or value is False:
        return None
    return AUTO if value in (AUTO, True) else TOOL_CALL_FORMATS.build(value)
