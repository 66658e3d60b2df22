"""The chat formats of published models, written down here from their documentation.

Each has its own control tokens, in a small byte-level tokenizer.
"""

from dataclasses import dataclass, field

from support.chat.families import byte_level_with

_LOOP = "{% for message in messages %}"
_MESSAGE = "{{ message['content'] | trim }}"
_ROLE = "{{ message['role'] }}"
_IF_GENERATION = "{% if add_generation_prompt %}"


@dataclass(frozen=True)
class ChatStyle:
    template: str
    controls: tuple[str, ...]
    eos: str
    kwargs: dict = field(default_factory=dict)

    def tokenizer(self):
        return byte_level_with(self.controls, eos=self.eos, chat_template=self.template)


CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
# A system message is added if there is none.
QWEN_2_5 = ChatStyle(
    "{% if messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    f"{_LOOP}<|im_start|>{_ROLE}\n{{{{ message['content'] }}}}<|im_end|>\n{{% endfor %}}"
    f"{_IF_GENERATION}<|im_start|>assistant\n{{% endif %}}",
    CHATML,
    "<|im_end|>",
)
LLAMA_3 = ChatStyle(
    f"<|begin_of_text|>{_LOOP}<|start_header_id|>{_ROLE}<|end_header_id|>\n\n{_MESSAGE}<|eot_id|>"
    f"{{% endfor %}}{_IF_GENERATION}<|start_header_id|>assistant<|end_header_id|>\n\n{{% endif %}}",
    ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "<|eot_id|>",
)
GEMMA = ChatStyle(
    "<bos>{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}"
    f"{{% endif %}}{_LOOP}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    f"{_MESSAGE}<end_of_turn>\n{{% endfor %}}{_IF_GENERATION}<start_of_turn>model\n{{% endif %}}",
    ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
    "<eos>",
)
PHI_3 = ChatStyle(
    f"{_LOOP}<|{_ROLE}|>\n{{{{ message['content'] }}}}<|end|>\n{{% endfor %}}"
    f"{_IF_GENERATION}<|assistant|>\n{{% endif %}}",
    ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
    "<|endoftext|>",
)
ZEPHYR = ChatStyle(
    f"{_LOOP}<|{_ROLE}|>\n{{{{ message['content'] }}}}</s>\n{{% endfor %}}"
    f"{_IF_GENERATION}<|assistant|>\n{{% endif %}}",
    ("<|system|>", "<|user|>", "<|assistant|>", "</s>"),
    "</s>",
)
# Roles must alternate, and there are no system messages.
MISTRAL_0_2 = ChatStyle(
    f"<s>{_LOOP}{{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }}</s>{% endif %}{% endfor %}",
    ("<s>", "</s>", "[INST]", "[/INST]"),
    "</s>",
)
# The system prompt stands in the latest user message.
MISTRAL_0_3 = ChatStyle(
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}"
    "<s>{% for message in turns %}{% if message['role'] == 'user' %}[INST] "
    "{% if loop.last and system is defined %}{{ system }}\n\n{% endif %}"
    "{{ message['content'] }}[/INST]{% else %} {{ message['content'] }}</s>{% endif %}{% endfor %}",
    ("<s>", "</s>", "[INST]", "[/INST]"),
    "</s>",
)
_WITHOUT_THOUGHT = "{{ message['content'].split('</think>')[-1].lstrip('\n') }}"
# Earlier answers lose their thoughts; without thinking, an answer begins with an empty thought.
QWEN_3 = ChatStyle(
    f"{_LOOP}<|im_start|>{_ROLE}\n{{% if message['role'] == 'assistant' %}}{_WITHOUT_THOUGHT}"
    "{% else %}{{ message['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    f"{_IF_GENERATION}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}",
    CHATML,
    "<|im_end|>",
)
QWEN_3_WITHOUT_THINKING = ChatStyle(
    QWEN_3.template, QWEN_3.controls, QWEN_3.eos, {"enable_thinking": False}
)
DEEPSEEK_R1 = ChatStyle(
    f"<|begin|>{_LOOP}{{% if message['role'] == 'user' %}}<|User|>{{{{ message['content'] }}}}"
    f"{{% else %}}<|Assistant|>{_WITHOUT_THOUGHT}<|end|>{{% endif %}}{{% endfor %}}"
    f"{_IF_GENERATION}<|Assistant|><think>\n{{% endif %}}",
    ("<|begin|>", "<|User|>", "<|Assistant|>", "<|end|>"),
    "<|end|>",
)

APPENDING = {
    "qwen-2.5": QWEN_2_5,
    "llama-3": LLAMA_3,
    "gemma": GEMMA,
    "phi-3": PHI_3,
    "zephyr": ZEPHYR,
    "mistral-0.2": MISTRAL_0_2,
    "mistral-0.3": MISTRAL_0_3,
    "qwen-3": QWEN_3,
}
# What comes before an answer differs between the latest one and earlier ones.
REWRITING = {
    "qwen-3 without thinking": QWEN_3_WITHOUT_THINKING,
    "deepseek-r1": DEEPSEEK_R1,
}
