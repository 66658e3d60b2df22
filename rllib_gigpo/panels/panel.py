"""The panel: a versioned manifest of tasks, with the hash of each task's start.

A panel says everything about an evaluation but the agent: the environment and its settings, the
tasks, how answers are decoded, and how many steps an episode may have. It holds no path of a
machine: settings that name files are left out, and the hashes of the files take their place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rllib_gigpo.errors import PanelError
from rllib_gigpo.options.registry import did_you_mean

SHIPPED = Path(__file__).parent / "shipped"


class Manifest(BaseModel):
    """A frozen part of a JSON file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Decoding(Manifest):
    """How answers are sampled.

    Attributes:
        seeds: Each task is played once with each of them.
        temperature: Sampling temperature; 0 takes the most likely token.
        top_p: Share of the probability to sample from.
        top_k: Number of tokens to sample from; 0 for all.
    """

    seeds: tuple[int, ...] = Field((0,), min_length=1)
    temperature: float = Field(0.4, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)


class PanelTask(Manifest):
    """One task.

    Attributes:
        seed: It starts with ``reset(seed=seed)``.
        id: The environment's own name of the task, if it has one.
        start: Hash of the first observation, the task and its actions; None until it was played.
        files: Hash of each data file that the task was read from, by the file's name.
    """

    seed: int
    id: str | None = None
    start: str | None = None
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """The task, for messages."""
        return f"task {self.seed}" + (f" ({self.id})" if self.id else "")


class Panel(Manifest):
    """A fixed set of tasks to evaluate agents on.

    Attributes:
        format: Version of the file format.
        name: Name of the panel.
        version: Raised whenever tasks or settings change.
        env: Gymnasium id of the environment.
        env_version: Packages that made the hashes, for people; it does not enter the digest.
        env_config: Settings of the environment, without paths.
        data_files: Hash of each file that a setting of the environment names, by the setting.
        max_episode_steps: Longer episodes are truncated.
        decoding: How answers are sampled.
        tasks: The tasks, in order.
    """

    format: Literal[1] = 1
    name: str = Field(min_length=1)
    version: int = Field(1, ge=1)
    env: str
    env_version: str = ""
    env_config: dict[str, Any] = Field(default_factory=dict)
    data_files: dict[str, str] = Field(default_factory=dict)
    max_episode_steps: int = Field(ge=1)
    decoding: Decoding = Field(default_factory=lambda: Decoding.model_validate({}))
    tasks: tuple[PanelTask, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tasks_differ(self) -> Self:
        seeds = [task.seed for task in self.tasks]
        if len(set(seeds)) < len(seeds) or len(set(self.decoding.seeds)) < len(self.decoding.seeds):
            raise ValueError("a task's seed or a decoding seed appears twice")
        return self

    @property
    def digest(self) -> str:
        """Hash of everything that decides what is played."""
        content = self.model_dump(mode="json", exclude={"env_version"})
        return digest_of_text(json.dumps(content, sort_keys=True))

    @property
    def is_complete(self) -> bool:
        """Whether every task has the hash of its start."""
        return all(task.start is not None for task in self.tasks)

    @property
    def label(self) -> str:
        """Name, version and digest, for people."""
        return f"{self.name} v{self.version} ({self.digest})"

    def save(self, path: Path) -> None:
        """Write the manifest, one task a line.

        Raises:
            PanelError: The file cannot be written.
        """
        fields = self.model_dump(mode="json", exclude={"tasks"})
        tasks = [json.dumps(task.model_dump(exclude_defaults=True)) for task in self.tasks]
        head = json.dumps(fields, indent=1).removesuffix("\n}")
        write_text(path, f'{head},\n "tasks": [\n  ' + ",\n  ".join(tasks) + "\n ]\n}\n")


def load_panel(source: str | Path | Mapping[str, Any] | Panel) -> Panel:
    """Read a panel.

    Args:
        source: The name of a shipped panel, a file, the content of one, or a panel.

    Raises:
        PanelError: There is no such panel, or it is damaged.
    """
    if isinstance(source, Panel):
        return source
    if isinstance(source, Mapping):
        return _checked(source, "the panel")
    shipped, path = SHIPPED / f"{source}.json", Path(source)
    if not path.is_file() and not shipped.is_file():
        known = shipped_panels()
        near = did_you_mean(str(source), known)
        raise PanelError(
            f"There is no panel {str(source)!r}: it is neither a file nor one of the shipped ones"
            + (near or f" ({', '.join(known)}). Make one with `rllib panel make`")
        )
    file = path if path.is_file() else shipped
    return _checked(read_json(file), str(file))


def shipped_panels() -> list[str]:
    """List the names of the panels that come with the package."""
    return sorted(file.stem for file in SHIPPED.glob("*.json"))


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        PanelError: It cannot be read, or is not JSON.
    """
    if not file.is_file():
        raise PanelError(f"There is no file {file}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PanelError(f"{file} cannot be read as JSON: {error}; copy it again") from error


def check_is_free(path: Path | None) -> None:
    """Check that writing a file would not replace another one.

    Raises:
        PanelError: It is there already.
    """
    if path is not None and path.exists():
        raise PanelError(f"{path} exists already; choose another --output, or delete it first")


def write_text(path: Path, text: str) -> None:
    """Write a file, and its folder if that is missing.

    Raises:
        PanelError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PanelError(
            f"{path} cannot be written: {error.strerror}; choose another file with --output"
        ) from error


def digest_of_text(text: str) -> str:
    """Return the hash of a text: BLAKE2b of 8 bytes, in hexadecimal."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _checked(content: Any, source: str) -> Panel:
    try:
        return Panel.model_validate(content)
    except ValidationError as error:
        if isinstance(content, Mapping) and "panel_digest" in content:
            raise PanelError(
                f"{source} is the result of a panel, not a panel; give the panel that was played"
            ) from error
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise PanelError(
            f"{source} is not a panel: {place}: {first['msg']}; make it again with"
            " `rllib panel make`"
        ) from error
