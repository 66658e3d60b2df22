"""The tasks of an environment made of tools: rows from a list, a file or a function of the seed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..contract import FIRST_TEST_SEED

Row = dict[str, Any]
_EVERY_NTH_IS_A_TEST = 5
_FORMS = (
    "a list of dicts, a .jsonl file with one JSON object per line, or a function from a seed to a"
    ' dict (or "module:name" of one of them)'
)


class ToolTasks:
    """The rows of tasks, split into training and test.

    Every fifth row is kept for test seeds, unless there are ``test_tasks``. A function gets the
    seed itself, and splits the tasks by it. Seeds beyond the number of rows wrap around.

    Attributes:
        files: The files that rows were read from.
    """

    def __init__(self, tasks: Any, test_tasks: Any = None) -> None:
        """Read the rows.

        Args:
            tasks: The tasks, in one of the forms above; None for rows without content.
            test_tasks: Those of test seeds, in the same forms.

        Raises:
            ValueError: They have another form, are empty, or are too few to hold some out.
        """
        self.files = [str(Path(one).expanduser()) for one in (tasks, test_tasks) if _is_file(one)]
        self._train = _source("tasks", tasks)
        self._listed = dict(_numbered("tasks", self._train))
        if test_tasks is not None:
            self._test = _source("test_tasks", test_tasks)
            self._listed |= _numbered("test_tasks", self._test)
        elif isinstance(self._train, list):
            self._train, self._test = _hold_out(self._train)
        else:
            self._test = self._train

    @property
    def listed(self) -> Mapping[str, Row]:
        """The rows that are known beforehand, by what they are in messages."""
        return self._listed

    def pick(self, seed: int) -> Row:
        """Return the row of a seed, a copy.

        Raises:
            ValueError: A function returned something else.
        """
        is_test = seed >= FIRST_TEST_SEED
        source = self._test if is_test else self._train
        if isinstance(source, list):
            number = seed - FIRST_TEST_SEED if is_test else seed
            return copy.deepcopy(source[number % len(source)])
        return _row(source(seed), f"the task of seed {seed}")


def named_object(path: str, what: str) -> Any:
    """Import ``"module:name"``.

    Raises:
        ValueError: It cannot be imported; the message calls it ``what``.
    """
    module, _, name = path.partition(":")
    if not name:
        raise ValueError(f"{what}={path!r} must be 'module:name', such as 'my_tools:{path}'.")
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{what}={path!r} cannot be imported: {error}. Write 'module:name', with the module on"
            " Python's path or in the folder of the experiment's file."
        ) from error


def prompt_text(prompt: Any) -> str:
    """Return the text of a row's prompt: a string, or a list of system and user messages.

    Raises:
        ValueError: It is something else, or a conversation that has begun.
    """
    if prompt is None or isinstance(prompt, str):
        return prompt or ""
    texts = list[str]()
    for message in prompt if isinstance(prompt, Sequence) else [prompt]:
        is_message = isinstance(message, Mapping) and message.get("role") in ("system", "user")
        content = _text_of(message.get("content")) if is_message else None
        if content is None:
            raise ValueError(
                f"A prompt has {message!r}. It must be a string, or a list of messages whose roles"
                " are system and user and whose contents are text."
            )
        texts.append(content)
    return "\n\n".join(text for text in texts if text)


def _text_of(content: Any) -> str | None:
    """Return the text of a content, a string or parts of text; None if it is anything else."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else [content]
    texts = [one.get("text") if isinstance(one, Mapping) else None for one in parts]
    return "".join(map(str, texts)) if all(isinstance(one, str) for one in texts) else None


def _source(what: str, given: Any) -> list[Row] | Callable[[int], Any]:
    if given is None:
        return lambda seed: {}
    if _is_file(given):
        return _read_file(Path(given).expanduser())
    if isinstance(given, str):
        given = named_object(given, what)
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping):
        rows = [_row(row, f"{what}[{number}]") for number, row in enumerate(given)]
        if rows:
            return rows
    elif callable(given):
        return given
    raise ValueError(f"{what} must be {_FORMS}; got {given!r}. Fix it in env_config.")


def _numbered(what: str, source: list[Row] | Callable[[int], Any]) -> dict[str, Row]:
    rows = source if isinstance(source, list) else []
    return {f"{what}[{number}]": row for number, row in enumerate(rows)}


def _hold_out(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    nth = _EVERY_NTH_IS_A_TEST
    if len(rows) < nth:
        raise ValueError(
            f"Too few tasks ({len(rows)}) to hold out every fifth for tests. Set test_tasks; it"
            " may be the same list if the class makes other tasks for other seeds."
        )
    return [row for n, row in enumerate(rows, start=1) if n % nth], rows[nth - 1 :: nth]


def _is_file(given: Any) -> bool:
    return isinstance(given, Path) or (isinstance(given, str) and given.endswith(".jsonl"))


def _read_file(file: Path) -> list[Row]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [
            _row(json.loads(line), f"{file}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{file} cannot be read ({error}). It must have one JSON object per line."
        ) from error
    if not rows:
        raise ValueError(f"{file} has no tasks. It must have one JSON object per line.")
    return rows


def _row(row: Any, where: str) -> Row:
    if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
        raise ValueError(f"{where} is {row!r}; it must be a dict, the arguments of reset().")
    return dict(row)
