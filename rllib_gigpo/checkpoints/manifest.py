"""The manifest of a checkpoint: size and checksum of every file, written after all of them.

A folder with a manifest that agrees with its files is whole. Copies need no special care: one that
was cut off differs from its manifest, or has none.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from rllib_gigpo.checkpoints.torn_files import file_fault, files_in

MANIFEST = "manifest.json"
_VERSION = 1


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

    Files that the manifest does not list, such as an evaluation's report, are ignored.
    """
    fault = file_fault(folder / MANIFEST)
    if fault:
        return f"{MANIFEST} {fault}"
    listed = json.loads((folder / MANIFEST).read_bytes())
    if not isinstance(listed, dict) or not isinstance(listed.get("files"), dict):
        return f"{MANIFEST} lists no files"
    for name, entry in listed["files"].items():
        fault = _difference(folder / name, entry)
        if fault:
            return f"{name} {fault}"
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
