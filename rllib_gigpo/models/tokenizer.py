"""Opens a model folder's tokenizer from local files only, so no run waits for a model hub."""

import shutil
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder, known_warnings_dropped, read_config
from rllib_gigpo.prompting.chat_format import added_tokens, find_turn_end, template_tokens

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
_PROBE = "go north, take 2 coins"


def load_tokenizer(model_path: str | Path | None) -> Any:
    """Open the tokenizer of a Hugging Face folder.

    Args:
        model_path: The folder with the model's files.

    Returns:
        A Hugging Face tokenizer that encodes and decodes text and has a chat template and an
        end-of-turn token.

    Raises:
        ConfigError: The folder does not exist or holds no tokenizer; or the tokenizer loses text,
            does not fit the model's vocabulary, or has no chat template, no eos token or no token
            that closes an answer.
    """
    tokenizer = open_tokenizer(model_path)
    folder = existing_model_folder(model_path)
    _check_vocabulary(tokenizer, folder)
    _check_turns(tokenizer, folder)
    return tokenizer


def open_tokenizer(model_path: str | Path | None) -> Any:
    """Open a tokenizer that encodes and decodes text; `load_tokenizer` checks all that a run needs.

    Args:
        model_path: The folder with the model's files.

    Raises:
        ConfigError: The folder does not exist or holds no tokenizer, or the tokenizer loses text.
    """
    folder = existing_model_folder(model_path)
    # With mistral-common installed, transformers prefers tekken.json, which has no chat template.
    kwargs = {"mistral_format": False} if (folder / "tokenizer.json").is_file() else {}
    try:
        # trust_remote_code: by default, transformers asks on the terminal whether to run code.
        with known_warnings_dropped():
            tokenizer = AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False, **kwargs
            )
    except Exception as error:  # a fence: a torn file raises whatever its reader raises
        raise ConfigError(
            f"transformers finds no tokenizer in {str(folder)!r}: {error}. Save one there with "
            "tokenizer.save_pretrained(folder)."
        ) from error
    _check_round_trip(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: str | Path) -> None:
    """Write a tokenizer to a model folder, with its chat template in ``tokenizer_config.json``.

    Args:
        tokenizer: A Hugging Face tokenizer.
        folder: The folder to write to; created if missing.
    """
    # One file fewer to lose when someone copies a folder by hand; every reader knows this form.
    tokenizer.save_pretrained(str(folder), save_jinja_files=False)


def copy_processor(model_path: str | Path, folder: str | Path) -> None:
    """Copy the files of a model's image processor, if it has one, to another model folder.

    Args:
        model_path: The folder of the original model.
        folder: The folder to write to.
    """
    for name in PROCESSOR_FILES:
        source = Path(model_path).expanduser() / name
        if source.is_file():
            shutil.copyfile(source, Path(folder) / name)


def _check_round_trip(tokenizer: Any, folder: Path) -> None:
    # transformers builds an empty vocabulary if tokenizer.json is missing.
    try:
        ids = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
    except Exception as error:  # a wrong value in tokenizer_config.json shows at the first call
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} fails on {_PROBE!r}: {type(error).__name__}: "
            f"{error}. Copy all tokenizer files of the model there."
        ) from error
    if _letters(decoded) != _letters(_PROBE):
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} turns {_PROBE!r} into {len(ids)} tokens and these "
            f"into {decoded!r}, so text is lost. Its vocabulary (usually tokenizer.json) is missing"
            " or belongs to another model: copy all tokenizer files of the model there."
        )


def _letters(text: str) -> str:
    """Return what every tokenizer keeps: it may change case and spaces."""
    return "".join(text.split()).casefold()


def _check_vocabulary(tokenizer: Any, folder: Path) -> None:
    config = read_config(folder)
    num_rows = (config.get("text_config") or config).get("vocab_size")
    # A special token without an embedding does no harm unless the chat template uses it.
    idle = set(added_tokens(tokenizer, only_special=True)) - set(template_tokens(tokenizer))
    used = set(tokenizer.get_vocab().values()) - idle | {tokenizer.eos_token_id or 0}
    largest = max(used)
    if num_rows is not None and largest >= num_rows:
        raise ConfigError(
            f"The tokenizer in {str(folder)!r} has token ids up to {largest}, but the model has "
            f"only {num_rows} embeddings (vocab_size in config.json). Use the model's own "
            "tokenizer, or resize the embeddings with model.resize_token_embeddings and save both."
        )


def _check_turns(tokenizer: Any, folder: Path) -> None:
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
    plain_text = find_turn_end(tokenizer).plain_text
    if plain_text:
        raise ConfigError(
            f"The chat template in {str(folder)!r} closes an answer with {plain_text!r}, which is "
            "not one token of the tokenizer, so no response would end there. Add it with "
            "tokenizer.add_special_tokens, or use the model's own tokenizer."
        )
