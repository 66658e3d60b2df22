"""Opens a model folder's tokenizer; local files only, so that no run waits for a model hub."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder


def load_tokenizer(model_path: str | Path | None) -> Any:
    """Opens the tokenizer of a Hugging Face folder.

    Args:
        model_path: folder with the model's files.

    Returns:
        A Hugging Face tokenizer that has a chat template and an end-of-turn token.

    Raises:
        ConfigError: if the folder does not exist or holds no tokenizer, or the tokenizer has no
            chat template or no eos token.
    """
    folder = existing_model_folder(model_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{str(folder)!r} holds no tokenizer that transformers can open: {error}. Save one "
            "there with tokenizer.save_pretrained(folder)."
        ) from error
    _check_usable(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: str | Path) -> None:
    """Writes a tokenizer into a model folder, its chat template inside ``tokenizer_config.json``.

    Args:
        tokenizer: a Hugging Face tokenizer.
        folder: where to; made if missing.
    """
    # One file less to lose when a folder is copied by hand; every reader of the folder knows this
    # form.
    tokenizer.save_pretrained(str(folder), save_jinja_files=False)


def _check_usable(tokenizer: Any, folder: Path) -> None:
    if not tokenizer.chat_template:
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} has no chat template, which turns messages into "
            "prompts. Use the instruction-tuned variant of the model, or set "
            "tokenizer.chat_template and save it."
        )
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} has no eos token, so that no response would ever "
            "end. Set tokenizer.eos_token to the token that ends a turn and save it."
        )
