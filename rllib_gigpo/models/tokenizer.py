"""Opens a model folder's tokenizer; local files only, so that no run waits for a model hub."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rllib_gigpo.errors import ConfigError


def load_tokenizer(model_path: str | Path) -> Any:
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


def existing_model_folder(model_path: str | Path) -> Path:
    """Returns ``model_path`` as a path, having checked that it is a model's folder.

    Args:
        model_path: folder with the model's files.

    Raises:
        ConfigError: if there is no such folder, or no ``config.json`` in it.
    """
    folder = Path(model_path).expanduser()
    if not (folder / "config.json").is_file():
        found = (
            "is a folder without config.json" if folder.is_dir() else "is not an existing folder"
        )
        raise ConfigError(
            f"model_path={str(model_path)!r} {found}. Give the path of a Hugging Face model folder "
            "on this machine (config.json, safetensors, tokenizer files); nothing is downloaded. "
            "`rllib warm-start` makes a small one."
        )
    return folder


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
