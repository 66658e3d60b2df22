"""A reader for corpora of passages, in JSONL or HippoRAG's JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .retriever import Passage, make_passage

_FORMS = (
    'a corpus is JSONL, each line {"id", "contents"} or {"id", "title", "text"}, or a .json file '
    'with a list of {"title", "text"} or an object {title: [sentences]}'
)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file at one point in time, the key under which a process caches its contents."""

    file: Path
    mtime_ns: int
    size: int


def file_version(path: str | Path, what: str) -> FileVersion:
    """Return a file's current version.

    Raises:
        ValueError: The file cannot be found; the message calls it ``what``.
    """
    file = Path(path).expanduser().absolute()
    try:
        status = file.stat()
    except OSError as error:
        raise ValueError(f"The {what} {file} cannot be read: {error}. Check the path.") from error
    return FileVersion(file, status.st_mtime_ns, status.st_size)


def read_corpus(path: str | Path) -> tuple[Passage, ...]:
    """Read all passages.

    Args:
        path: A ``.jsonl`` file with one passage per line: ``{"id", "contents"}``, where the first
            line of ``contents`` is the title, or ``{"id", "title", "text"}``. A ``.json`` file must
            have one of HippoRAG's two formats. A passage without an id gets its position as id.

    Raises:
        ValueError: The file is missing, empty or has another format, or an id occurs twice.
    """
    file = Path(path).expanduser()
    passages = tuple(
        _passage(record, f"{file}, {place}", position)
        for position, (place, record) in enumerate(read_records(file, _FORMS))
    )
    if not passages:
        raise ValueError(f"{file} contains no passages; {_FORMS}.")
    (id_, count), *_ = Counter(passage.id for passage in passages).most_common(1)
    if count > 1:
        raise ValueError(f"{file} has {count} passages with the id {id_!r}. Make ids unique.")
    return passages


def read_records(file: Path, forms: str) -> Iterator[tuple[str, Any]]:
    """Yield (place in the file, record) of a JSONL file, or of a .json file's list or object.

    Args:
        file: The file; a ``.json`` file is read as one document, any other line by line.
        forms: The supported formats in words, for error messages.

    Raises:
        ValueError: The file cannot be read, or a line is not JSON.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); {forms}.") from error
    if file.suffix != ".json":
        lines = enumerate(text.split("\n"), start=1)
        yield from ((f"line {n}", _parse(line, file, n)) for n, line in lines if line.strip())
        return
    document = _parse(text, file, 1)
    if isinstance(document, dict):
        document = [{"title": title, "text": text} for title, text in document.items()]
    if not isinstance(document, list):
        raise ValueError(f"{file} is of type {type(document).__name__}; {forms}.")
    yield from ((f"record {n}", record) for n, record in enumerate(document, start=1))


def _parse(text: str, file: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}, line {line} is not JSON: {error}.") from error


def _passage(record: Any, where: str, position: int) -> Passage:
    if not isinstance(record, Mapping):
        raise ValueError(f"{where} is of type {type(record).__name__}; {_FORMS}.")
    id_ = record.get("id", position)
    if not isinstance(id_, str | int):
        raise ValueError(f"{where} has the id {id_!r}. Use text or a whole number.")
    if isinstance(record.get("contents"), str):
        return passage_from_contents(str(id_), record["contents"])
    title, text = record.get("title", ""), record.get("text")
    if isinstance(text, list) and all(isinstance(sentence, str) for sentence in text):
        text = "".join(text)
    if not isinstance(text, str) or not isinstance(title, str):
        raise ValueError(f"{where} has the keys {sorted(map(str, record))}; {_FORMS}.")
    return make_passage(str(id_), title, text)


def passage_from_contents(id_: str, contents: str) -> Passage:
    """Split Search-R1's ``contents``: a title, optionally in quotes, a line break, and text."""
    first, line_break, rest = contents.strip().partition("\n")
    if not line_break:
        return make_passage(id_, "", first)
    return make_passage(id_, first.strip().strip('"'), rest)
