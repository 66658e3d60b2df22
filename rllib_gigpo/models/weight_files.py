"""Finds a checkpoint's tensors in its safetensors files, without reading them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rllib_gigpo.errors import ConfigError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"


def tensor_files(folder: Path) -> dict[str, Path]:
    """Return the file of each tensor of a Hugging Face folder.

    The index decides which tensors count, as in transformers. Other safetensors files in the
    folder, such as Mistral's ``consolidated.safetensors`` or an adapter, hold copies or no weights.

    Args:
        folder: The model folder.

    Returns:
        The files by tensor, in the order of the names; empty if there are no safetensors files.

    Raises:
        ConfigError: The index cannot be read, or names a file that is missing.
    """
    if (folder / _INDEX).is_file():
        return _indexed(folder)
    single = folder / _SINGLE
    files = [single] if single.is_file() else _loose(folder)
    return dict(sorted((name, file) for file in files for name in _names(file)))


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor, read from the headers of the files."""
    shapes = {}
    files = tensor_files(folder)
    for file in sorted(set(files.values())):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118
                if files.get(name) == file:
                    shapes[name] = tuple(tensors.get_slice(name).get_shape())
    return shapes


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{file} is not a safetensors file ({error}): copy the model again; a file of a few"
            " lines may be a pointer of Git LFS."
        ) from error


def _indexed(folder: Path) -> dict[str, Path]:
    index = folder / _INDEX
    try:
        files = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(name, str) for name in files.values()):
            raise TypeError("weight_map must name a file for each tensor")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{index} cannot be read ({error!r}): copy the model again.") from error
    missing = sorted({name for name in files.values() if not (folder / name).is_file()})
    if missing:
        raise ConfigError(f"{index} names {missing}, which are not there: copy the model again.")
    # The index chooses files and, of two copies, one; names that no file holds do not count.
    held = [(name, file) for file in sorted(set(files.values())) for name in _names(folder / file)]
    return {name: folder / file for name, file in sorted(held) if files.get(name, file) == file}


def _loose(folder: Path) -> list[Path]:
    """Return files without an index, which the engines load together."""
    return [
        file
        for file in sorted(folder.glob("*.safetensors"))
        if not file.name.startswith(("consolidated", "adapter"))
    ]


def _names(file: Path) -> list[str]:
    with _opened(file) as tensors:
        return list(tensors.keys())
