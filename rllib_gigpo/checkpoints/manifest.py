"""The manifest of a checkpoint: size and checksum of every file, written after all of them.

A folder with a manifest that agrees with its files is whole. Copies need no special care: one that
was cut off differs from its manifest, or has none. A file that was added later is a fault if a
reader of checkpoints would open it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from rllib_gigpo.checkpoints.components import MODEL
from rllib_gigpo.checkpoints.torn_files import file_fault, files_in

MANIFEST = "manifest.json"
_VERSION = 1
# RLlib prefers a state in msgpack to the pickle next to it, and transformers one form of weights or
# tokenizer to another.
_READ_ANYWHERE = (".pkl", ".msgpack")
_READ_WITH_A_MODEL = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt", ".py")


def write_manifest(folder: Path) -> None:
    """List all files of a folder in its manifest."""
    files = {
        file.relative_to(folder).as_posix(): _entry(file)
        for file in files_in(folder)
        if file.name != MANIFEST
    }
    text = json.dumps({"version": _VERSION, "files": files}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text)


def manifest_fault(folder: Path) -> str | None:
    """Return a clause about the first difference between a folder and its manifest; None if whole.

    Other files that the manifest does not list, such as an evaluation's report, are ignored.
    """
    fault = file_fault(folder / MANIFEST)
    if fault:
        return f"{MANIFEST} {fault}"
    listed = _listed(folder)
    if not listed:
        return f"{MANIFEST} lists no files"
    for name, entry in listed.items():
        fault = _difference(folder / name, entry)
        if fault:
            return f"{name} {fault}"
    return _added_file(folder, listed)


def is_listed(entry: Path) -> bool:
    """Return whether a folder's manifest lists a file of it, or files below a folder in it."""
    try:
        names = _listed(entry.parent)
    except (OSError, ValueError):  # no manifest, or a torn one
        return False
    return any(Path(name).parts[:1] == (entry.name,) for name in names)


def _listed(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / MANIFEST).read_bytes())
    files = content.get("files") if isinstance(content, dict) else None
    return files if isinstance(files, dict) else {}


def _added_file(folder: Path, listed: dict[str, Any]) -> str | None:
    for file in files_in(folder):
        name = file.relative_to(folder)
        is_of_model = name.is_relative_to(MODEL)
        is_read = file.suffix in _READ_ANYWHERE + _READ_WITH_A_MODEL * is_of_model
        is_hidden = any(part.startswith(".") for part in name.parts)
        if is_read and not is_hidden and name.as_posix() not in listed:
            return f"{name} was added after it was saved"
    return None


def _difference(file: Path, entry: Any) -> str | None:
    try:
        if not file.is_file():
            return "is missing"
        found = _entry(file)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    expected = entry.get("bytes") if isinstance(entry, dict) else None
    if isinstance(expected, int) and found["bytes"] != expected:
        return f"has {found['bytes']:,} of {expected:,} bytes"
    return None if found == entry else "has other contents than when it was saved"


def _entry(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": checksum}
