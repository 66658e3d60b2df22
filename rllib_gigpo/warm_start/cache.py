"""Keeps finished warm starts: one folder for each hash of everything that went into it."""

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

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tokenizer import existing_model_folder
from rllib_gigpo.prompting import PromptTemplate
from rllib_gigpo.warm_start.warm_start_settings import WarmStartSettings

# Raise it with every change of this package that changes what the same settings give.
RECIPE_VERSION = 3
_LIBRARIES = ("torch", "transformers", "tokenizers")


def default_cache_dir() -> Path:
    """Returns ``$XDG_CACHE_HOME/rllib_gigpo/warm_start`` (``~/.cache/...`` where it is unset)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rllib_gigpo" / "warm_start"


def cache_key(settings: WarmStartSettings) -> str:
    """Returns a hash of settings, template source, base model files and library versions.

    The environment's own code is not in it: delete the folder after changing that.

    Args:
        settings: the settings of the warm start.

    Raises:
        ConfigError: if a setting cannot be written as JSON, or template or base model do not exist.
    """
    inputs = {
        "settings": {**asdict(settings), "base_model": None},
        "defaults": [settings.lr, settings.batch_tokens, settings.random_label_probability],
        "template": PromptTemplate.from_name_or_source(settings.prompting.template).source,
        "base_model": None if settings.base_model is None else _file_hashes(settings.base_model),
        "recipe": RECIPE_VERSION,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    try:
        text = json.dumps(inputs, sort_keys=True)
    except TypeError as error:
        raise ConfigError(
            f"The settings of a warm start must be writable as JSON, to be hashed: {error}. Use "
            "plain numbers, strings, lists and dicts in env_config and chat_template_kwargs."
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached_folder(folder: Path, build: Callable[[Path], object]) -> Path:
    """Returns ``folder``, having built it if it does not exist.

    Processes that ask for the same folder wait for the one that builds it. The folder appears at
    once and complete; an interrupted build leaves none.

    Args:
        folder: the folder wanted.
        build: fills an empty folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            write_folder(folder, build)
    return folder


def write_folder(folder: Path, build: Callable[[Path], object]) -> None:
    """Makes a folder that appears at once and complete, or not at all.

    Args:
        folder: the folder to make; its parent exists.
        build: fills an empty folder.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(scratch)
        scratch.chmod(0o755)  # mkdtemp's folders are for their owner only
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _file_hashes(base_model: str) -> dict[str, str]:
    """Hashes the files of a model folder, by name; where the folder lies makes no difference."""
    files = sorted(path for path in existing_model_folder(base_model).iterdir() if path.is_file())
    return {path.name: _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds an advisory lock, which the system drops if the process dies; its file stays."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
