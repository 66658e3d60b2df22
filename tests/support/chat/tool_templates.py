"""Chat templates with tools: short equivalents, written down from the published formats."""

from support.chat.published import LLAMA_3, ChatStyle

_GENERATION = "{% if add_generation_prompt %}"
_CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def _chatml(told, call):
    """ChatML in which results of tools are parts of one user message, as in Qwen's templates."""
    return (
        "{% if tools %}<|im_start|>system\n# Tools\n<tools>{% for tool in tools %}\n"
        "{{ tool | tojson }}{% endfor %}\n</tools>\n" + told + "<|im_end|>\n{% endif %}"
        "{% for message in messages %}"
        "{% if message.role == 'tool' %}"
        "{% if loop.first or messages[loop.index0 - 1].role != 'tool' %}<|im_start|>user{% endif %}"
        "\n<tool_response>\n{{ message.content }}\n</tool_response>"
        "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|im_end|>\n{% endif %}"
        "{% else %}<|im_start|>{{ message.role }}\n{{ message.content or '' }}"
        "{% for call in message.tool_calls or [] %}"
        "{% if message.content or not loop.first %}\n{% endif %}" + call + "{% endfor %}"
        "<|im_end|>\n{% endif %}{% endfor %}" + _GENERATION + "<|im_start|>assistant\n{% endif %}"
    )


HERMES = ChatStyle(
    _chatml(
        "Return a JSON object within <tool_call></tool_call> tags for each call.",
        '<tool_call>\n{"name": "{{ call.function.name }}", "arguments": '
        "{{ call.function.arguments | tojson }}}\n</tool_call>",
    ),
    (*_CHATML, "<tool_call>", "</tool_call>"),
    "<|im_end|>",
)
QWEN_3_CODER = ChatStyle(
    _chatml(
        "Write each call within <tool_call></tool_call> tags, as a function with parameters.",
        "<tool_call>\n<function={{ call.function.name }}>\n"
        "{% for key, value in call.function.arguments | items %}<parameter={{ key }}>\n"
        "{{ value if value is string else value | tojson }}\n</parameter>\n{% endfor %}"
        "</function>\n</tool_call>",
    ),
    (*_CHATML, "<tool_call>", "</tool_call>"),
    "<|im_end|>",
)
# The functions stand in the first user message; only one call at a time is written.
LLAMA_3_1 = ChatStyle(
    "<|begin_of_text|>{% for message in messages %}"
    "<|start_header_id|>"
    "{{ 'ipython' if message.role == 'tool' else message.role }}<|end_header_id|>\n\n"
    "{% if tools and loop.first %}Answer with JSON to call one of these functions.\n"
    "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}"
    "{% if message.tool_calls %}"
    '{{ \'{"name": "\' + message.tool_calls[0].function.name + \'", "parameters": \' }}'
    "{{ message.tool_calls[0].function.arguments | tojson }}{{ '}' }}"
    "{% else %}{{ message.content | trim }}{% endif %}<|eot_id|>{% endfor %}"
    + _GENERATION
    + "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    (*LLAMA_3.controls, "<|python_tag|>"),
    "<|eot_id|>",
)


def _mistral(call):
    """Tools stand before the latest user message; ids of calls have nine letters."""
    return (
        "{% set users = messages | selectattr('role', 'equalto', 'user') | list %}"
        "<s>{% for message in messages %}"
        "{% if message.role == 'user' %}"
        "{% if tools and message == users[-1] %}[AVAILABLE_TOOLS] {{ tools | tojson }}"
        "[/AVAILABLE_TOOLS]{% endif %}[INST] {{ message.content }}[/INST]"
        "{% elif message.tool_calls %}" + call + "</s>"
        "{% elif message.role == 'tool' %}"
        "{% if message.tool_call_id | length != 9 %}{{ raise_exception('an id of 9') }}{% endif %}"
        '[TOOL_RESULTS] {"content": {{ message.content | tojson }}, '
        '"call_id": "{{ message.tool_call_id }}"}[/TOOL_RESULTS]'
        "{% else %} {{ message.content }}</s>{% endif %}{% endfor %}"
    )


_MISTRAL_CONTROLS = ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]")
_MISTRAL_CONTROLS += ("[/TOOL_RESULTS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")
MISTRAL = ChatStyle(
    _mistral(
        "[TOOL_CALLS] [{% for call in message.tool_calls %}{{ ', ' if not loop.first }}"
        '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}, '
        '"id": "{{ call.id }}"}{% endfor %}]'
    ),
    _MISTRAL_CONTROLS,
    "</s>",
)
MISTRAL_ARGS = ChatStyle(
    _mistral(
        "{% for call in message.tool_calls %}[TOOL_CALLS]{{ call.function.name }}[ARGS]"
        "{{ call.function.arguments | tojson }}{% endfor %}"
    ),
    (*_MISTRAL_CONTROLS, "[ARGS]"),
    "</s>",
)
# By the format that they must be found to have.
BY_FORMAT = {
    "hermes": HERMES,
    "qwen3_coder": QWEN_3_CODER,
    "llama3": LLAMA_3_1,
    "mistral": MISTRAL,
    "mistral_args": MISTRAL_ARGS,
}
