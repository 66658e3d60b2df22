"""Opens a model folder's tokenizer from local files only, so no run waits for a model hub."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder


def load_tokenizer(model_path: str | Path | None) -> Any:
    """Open the tokenizer of a Hugging Face folder.

    Args:
        model_path: The folder with the model's files.

    Returns:
        A Hugging Face tokenizer that has a chat template and an end-of-turn token.

    Raises:
        ConfigError: The folder does not exist or holds no tokenizer, or the tokenizer has no chat
            template or no eos token.
    """
    folder = existing_model_folder(model_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"transformers finds no tokenizer in {str(folder)!r}: {error}. Save one there with "
            "tokenizer.save_pretrained(folder)."
        ) from error
    _check_usable(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: str | Path) -> None:
    """Write a tokenizer to a model folder, with its chat template in ``tokenizer_config.json``.

    Args:
        tokenizer: A Hugging Face tokenizer.
        folder: The folder to write to; created if missing.
    """
    # One file fewer to lose when someone copies a folder by hand; every reader knows this form.
    tokenizer.save_pretrained(str(folder), save_jinja_files=False)


def _check_usable(tokenizer: Any, folder: Path) -> None:
    if not tokenizer.chat_template:
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} has no chat template to turn messages into "
            "prompts. Use the instruction-tuned variant of the model, or set "
            "tokenizer.chat_template and save it."
        )
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} has no eos token, so no response would ever end. "
            "Set tokenizer.eos_token to the token that ends a turn and save it."
        )
