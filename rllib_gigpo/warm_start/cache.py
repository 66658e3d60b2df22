"""The cache of finished warm starts: one folder for each hash of all inputs."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tokenizer import existing_model_folder
from rllib_gigpo.prompting import PromptTemplate
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat
from rllib_gigpo.warm_start.warm_start_settings import PromptSettings, WarmStartSettings

# Raise it whenever a change to this package changes the result of the same settings.
RECIPE_VERSION = 3
_NEWER = (
    ("fit", "autocast_dtype"),
    ("demonstrations", "num_tasks"),
    ("tiny_model", "image_size"),
    ("tiny_model", "patch_size"),
)
_LIBRARIES = ("torch", "transformers", "tokenizers")


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/rllib_gigpo/warm_start`` (``~/.cache/...`` if it is unset)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rllib_gigpo" / "warm_start"


def cache_key(settings: WarmStartSettings) -> str:
    """Return a hash of settings, template source, base model files and library versions.

    The hash does not cover the environment's code: delete the folder after you change that.

    Args:
        settings: The settings of the warm start.

    Raises:
        ConfigError: A setting cannot be written as JSON, or the template or base model is missing.
    """
    inputs: dict[str, Any] = {
        "settings": _plain(settings),
        "defaults": [settings.lr, settings.batch_tokens, settings.random_label_probability],
        "template": PromptTemplate.from_name_or_source(settings.prompting.template).source,
        "base_model": None if settings.base_model is None else _file_hashes(settings.base_model),
        "recipe": RECIPE_VERSION,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    if settings.base_model is not None:
        inputs["defaults_of_base_model"] = {
            "autocast_dtype": settings.autocast_dtype,
            "num_tasks": len(settings.played_seeds),
        }
    try:
        text = json.dumps(inputs, sort_keys=True, default=_format_path)
    except TypeError as error:
        raise ConfigError(
            f"The settings of a warm start cannot be written as JSON: {error}. Use only plain "
            "numbers, strings, lists and dicts in env_config and chat_template_kwargs."
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _format_path(value: Any) -> str:
    """Return the path of a format of tool calls, for the hash.

    Raises:
        TypeError: It is something else.
    """
    kind = value if isinstance(value, type) else type(value)
    if issubclass(kind, ToolCallFormat):
        return f"{kind.__module__}.{kind.__qualname__}"
    raise TypeError(f"Object of type {kind.__name__} is not JSON serializable")


def _plain(settings: WarmStartSettings) -> dict[str, Any]:
    """Return the settings as plain values; the defaults by kind of model are hashed apart.

    Newer settings count only if they are set: the others leave the result of the tiny model as it
    is, and so its key.
    """
    plain = {**asdict(settings), "base_model": None}
    for part, name in _NEWER:
        if plain[part][name] is None:
            del plain[part][name]
    for name in ("style", "tools", "max_prompt_images", "sub_goals"):
        if plain["prompting"][name] == getattr(PromptSettings(), name):
            del plain["prompting"][name]
    return plain


def cached_folder(folder: Path, build: Callable[[Path], object]) -> Path:
    """Return ``folder``, and build it first if it does not exist.

    If several processes ask for the same folder, one builds it and the others wait. The folder
    appears only when it is complete; an interrupted build leaves nothing behind.

    Args:
        folder: The folder to return.
        build: Fills an empty folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            write_folder(folder, build)
    return folder


def write_folder(folder: Path, build: Callable[[Path], object]) -> None:
    """Make a folder that appears complete or not at all.

    Args:
        folder: The folder to make; its parent must exist.
        build: Fills an empty folder.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(scratch)
        scratch.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _file_hashes(base_model: str) -> dict[str, str]:
    """Hash the files of a model folder by name; the path of the folder does not matter."""
    files = sorted(path for path in existing_model_folder(base_model).iterdir() if path.is_file())
    return {path.name: _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an advisory lock, which the system drops if the process dies; its file stays."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
