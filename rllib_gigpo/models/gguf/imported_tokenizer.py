"""The tokenizer inside a GGUF file, with a chat template, as a Hugging Face tokenizer."""

import json
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.gguf.gguf_file import GGUFFile
from rllib_gigpo.prompting.chat_format import conversations

# How llama.cpp (src/llama-vocab.cpp) splits text before BPE, by tokenizer.ggml.pre. transformers
# 5.19 knows Qwen's, Llama 3's and others, and splits all the rest as GPT-2 does.
_LIKE_GPT2 = ("default", "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling")
_DIGITS_ALONE = (
    "smollm",
    "starcoder",
    "refact",
    "command-r",
    "codeshell",
    "exaone",
    "minerva-7b",
)


def check_has_tokenizer(file: GGUFFile, chat_template: str | None) -> None:
    """Check that a file holds what a tokenizer is made of.

    Args:
        file: The GGUF file.
        chat_template: A chat template from elsewhere, or None.

    Raises:
        ConfigError: The tokenizer is missing, or there is no chat template.
    """
    missing = [key for key in ("model", "tokens") if f"tokenizer.ggml.{key}" not in file.fields]
    if missing:
        raise ConfigError(
            f"{file.path} has no tokenizer (tokenizer.ggml.{missing[0]}): use a GGUF file that"
            " llama.cpp's converter made with its vocabulary."
        )
    if chat_template is None and not file.text("tokenizer.chat_template"):
        raise ConfigError(
            f"{file.path} has no chat template, which turns messages into prompts: give the"
            " model's own as a Jinja file with --chat-template, or take an instruction-tuned model."
        )


def read_tokenizer(place: Path, file: GGUFFile, chat_template: str | None) -> tuple[Any, list[str]]:
    """Build the tokenizer of a GGUF file.

    Args:
        place: A folder that holds the GGUF file alone.
        file: The GGUF file.
        chat_template: The chat template; None takes the file's.

    Returns:
        The tokenizer, and what may be wrong with it.

    Raises:
        ConfigError: transformers cannot read the tokenizer, or the chat template does not render a
            conversation.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(place), gguf_file=file.path.name, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # a fence: wrong metadata raise whatever their reader raises
        raise ConfigError(
            f"transformers cannot read the tokenizer {file.text('tokenizer.ggml.model')!r} of"
            f" {file.path} ({type(error).__name__}: {error}): use the model's own Hugging Face"
            " folder."
        ) from error
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    if not conversations(tokenizer):
        raise ConfigError(
            f"The chat template for {file.path} renders no conversation of a user and an"
            " assistant: give another one with --chat-template."
        )
    tokenizer.model_max_length = file.number("context_length")
    return tokenizer, _set_word_split(tokenizer, file)


def _set_word_split(tokenizer: Any, file: GGUFFile) -> list[str]:
    """Split text as llama.cpp does where transformers only falls back to GPT-2's way."""
    backend = tokenizer.backend_tokenizer
    split = json.loads(backend.to_str())["pre_tokenizer"] or {}
    kind = file.text("tokenizer.ggml.pre") or "default"
    if not (split.get("type") == "ByteLevel" and split["use_regex"]) or kind in _LIKE_GPT2:
        return []
    if kind in _DIGITS_ALONE:
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
        )
        return []
    return [
        f"transformers does not know how the tokenizer {kind!r} splits words and does it like"
        " GPT-2, so some texts may become other tokens than the model was trained on"
    ]
