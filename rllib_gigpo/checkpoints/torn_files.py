"""Checks that a file is complete, without running or loading what it holds.

They find files that were cut off by a full disk, a killed process or a broken copy, in folders that
have no manifest too.
"""

import json
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path

_LENGTH_BYTES = 8  # a safetensors file begins with the length of its header
_MODEL_FILES = ("config.json", "generation_config.json", "tokenizer*.json", "*.safetensors*")
_CUT_OFF = "ends in the middle"


def torn_file(folder: Path) -> str | None:
    """Return a clause about the first incomplete file in a folder and those below; None if whole.

    Args:
        folder: A checkpoint or a model folder.

    Returns:
        Something like "learner_group/learner/state.pkl ends in the middle".
    """
    for file in files_in(folder):
        fault = file_fault(file)
        if fault:
            return f"{file.relative_to(folder)} {fault}"
    return _missing_shard(folder)


def torn_model_file(folder: Path) -> str | None:
    """Return a clause about the first incomplete file of a Hugging Face folder; None if whole."""
    if not (folder / "config.json").is_file():
        return "config.json is missing"
    for file in (file for pattern in _MODEL_FILES for file in sorted(folder.glob(pattern))):
        fault = file_fault(file)
        if fault:
            return f"{file.name} {fault}"
    return _missing_shard(folder)


def files_in(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder and of those below, in a fixed order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def file_fault(file: Path) -> str | None:
    """Return what is wrong with a file, such as "is empty"; None if it is complete.

    JSON, safetensors and pickles are read by their format; of other files only that they can be
    read.
    """
    check = _CHECKS.get(file.suffix)
    try:
        if check is None:
            file.open("rb").close()
            return None
        return check(file) if file.stat().st_size else "is empty"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _json_fault(file: Path) -> str | None:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return "is not complete JSON"
    return None


def _safetensors_fault(file: Path) -> str | None:
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if length > size - _LENGTH_BYTES:
            return _CUT_OFF
        header = stream.read(length)
    try:
        tensors = {name: value for name, value in json.loads(header).items() if name[:2] != "__"}
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (ValueError, AttributeError, TypeError, LookupError):
        return "has an unreadable header"
    expected = _LENGTH_BYTES + length + end
    return None if size == expected else f"has {size:,} of {expected:,} bytes"


def _pickle_fault(file: Path) -> str | None:
    with file.open("rb") as stream:
        try:
            for _ in pickletools.genops(stream):  # reads the opcodes and runs none
                pass
        # A changed byte may be the length of a string, for which there is no memory.
        except (ValueError, OverflowError, MemoryError):
            return _CUT_OFF
    return None


def _missing_shard(folder: Path) -> str | None:
    """Return a clause about a file that an index of shards names and that does not exist."""
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        content = json.loads(index.read_bytes())
        shards = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(shards, dict):
            return f"{index.relative_to(folder)} names no files"
        names = sorted(set(map(str, shards.values())))
        missing = next((name for name in names if not (index.parent / name).is_file()), None)
        if missing:
            return f"{(index.parent / missing).relative_to(folder)} is missing"
    return None


_CHECKS: dict[str, Callable[[Path], str | None]] = {
    ".json": _json_fault,
    ".safetensors": _safetensors_fault,
    ".pkl": _pickle_fault,
    ".msgpack": lambda file: None,
    ".jinja": lambda file: None,
}
