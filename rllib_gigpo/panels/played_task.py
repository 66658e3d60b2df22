"""What a panel's report knows of each episode, and the report as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Manifest, Panel, PanelTask, read_json, write_text


class PlayedTask(Manifest):
    """One episode of a task.

    Attributes:
        task: Seed of the task.
        decoding_seed: Seed of its answers.
        won: Whether it succeeded.
        episode_return: Sum of its rewards.
        num_steps: Its length.
        valid_rate: Share of its answers with a valid format.
        cut_rate: Share of its prompts that lacked something, because they were too long.
        tags: The environment's tags of the task.
    """

    task: int
    decoding_seed: int
    won: bool
    episode_return: float
    num_steps: int
    valid_rate: float
    cut_rate: float = 0.0
    tags: tuple[str, ...] = ()


class UnplayedTask(Manifest):
    """An episode that could not be played, and why."""

    task: int
    decoding_seed: int
    reason: str


class PanelResult(Manifest):
    """The result of one agent on a panel.

    Attributes:
        format: Version of the file format.
        panel: Name of the panel.
        panel_version: Its version.
        panel_digest: Its digest.
        agent: What played: a checkpoint's folder name, or a model behind a URL.
        settings: What else decides the answers, such as dtype and engine.
        played: One for each task and decoding seed, in the panel's order.
        unplayed: The episodes that are missing.
        summary: The numbers of `rllib_gigpo.panels.summary`.
    """

    format: Literal[1] = 1
    panel: str
    panel_version: int
    panel_digest: str
    agent: str
    settings: dict[str, Any] = Field(default_factory=dict)
    played: tuple[PlayedTask, ...] = Field(min_length=1)
    unplayed: tuple[UnplayedTask, ...] = ()
    summary: dict[str, Any] = Field(default_factory=dict)

    @property
    def panel_label(self) -> str:
        """Name, version and digest of the panel, for people."""
        return f"{self.panel} v{self.panel_version} ({self.panel_digest})"

    def save(self, path: Path) -> None:
        """Write the result as JSON.

        Raises:
            PanelError: The file cannot be written.
        """
        write_text(path, self.model_dump_json(indent=1) + "\n")


def load_result(file: Path) -> PanelResult:
    """Read a result.

    Raises:
        PanelError: The file is not a result.
    """
    content = read_json(file)
    try:
        return PanelResult.model_validate(content)
    except ValidationError as error:
        if isinstance(content, dict) and "tasks" in content:
            raise PanelError(
                f"{file} is a panel, not a result; play it with `rllib panel run {file} CHECKPOINT`"
            ) from error
        first = error.errors(include_url=False)[0]
        raise PanelError(
            f"{file} is not the result of a panel: {'.'.join(map(str, first['loc']))}:"
            f" {first['msg']}; write one with `rllib panel run`"
        ) from error


def check_starts(panel: Panel, found: Sequence[PanelTask]) -> None:
    """Check that tasks started as the panel says, and were read from the same files.

    Raises:
        PanelError: A start or a file differs; the message names it.
    """
    expected = {task.seed: task for task in panel.tasks}
    changed = []
    for task in found:
        wanted = expected[task.seed]
        files = [name for name, digest in wanted.files.items() if task.files.get(name) != digest]
        if files:
            changed.append(f"the data file {', '.join(files)} of {wanted.label}")
        elif wanted.start not in (None, task.start):
            changed.append(f"the start of {wanted.label}")
    if changed:
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise PanelError(
            f"The panel {panel.label} cannot be played here: {'; '.join(changed[:3])}{more}"
            f" differs from the panel's. It was made with {panel.env_version or 'other packages'};"
            " install these and the same data, or make a new version with `rllib panel make`."
        )
