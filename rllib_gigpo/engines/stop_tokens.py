"""Which tokens end a response."""

from collections.abc import Iterator
from pathlib import Path

from rllib_gigpo.engines.weights import read_json
from rllib_gigpo.errors import EngineError


def stop_token_ids(model_path: str) -> list[int]:
    """Return the end-of-sequence and end-of-turn ids of a model folder, ascending.

    They stand in up to three places that need not agree: ``generation_config.json``,
    ``config.json`` and the tokenizer; each of them ends a response.

    Raises:
        EngineError: If the folder is not there, or names no such token.
    """
    folder = Path(model_path)
    if not (folder / "config.json").is_file():
        raise EngineError(
            f"{model_path!r} is no model folder (it has no config.json): give the path of a local "
            "Hugging Face model folder in llm(model_path=...)."
        )
    found = {
        *_configured_eos(folder / "generation_config.json"),
        *_configured_eos(folder / "config.json"),
        *_tokenizer_eos(folder),
    }
    if not found:
        raise EngineError(
            f"The model in {model_path!r} names no end-of-sequence token, so no response would "
            "end: set eos_token_id in its generation_config.json."
        )
    return sorted(found)


def _configured_eos(file: Path) -> Iterator[int]:
    value = read_json(file).get("eos_token_id")
    yield from [] if value is None else value if isinstance(value, list) else [value]


def _tokenizer_eos(folder: Path) -> Iterator[int]:
    if (folder / "tokenizer_config.json").is_file():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if tokenizer.eos_token_id is not None:
            yield tokenizer.eos_token_id
