"""The report at the end of a run: what failed, where the results are, and what to run next."""

import shlex
import shutil
import sys
from pathlib import Path

from rllib_gigpo.cli.checkpoints import newest_checkpoint
from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.reports import plots
from rllib_gigpo.reports.results import IterationSummary, read_result_file
from rllib_gigpo.reports.transcripts import TRANSCRIPT_FOLDER

RESULT_FILE = "result.json"
ERROR_FILE = "error.txt"
_ERROR_LINES = 15


def report_trial(folder: Path, *, experiment: str, failed: bool) -> None:
    """Draw the figures of a trial and print its report.

    Args:
        folder: The trial's folder, with ``result.json`` and its checkpoints.
        experiment: Title of the figures.
        failed: Whether the trial ended with an error, which Tune has written to ``error.txt``.
    """
    if failed:
        print_error(folder / ERROR_FILE)
    folder = _short(folder)
    print(f"results      {folder}")
    if not (folder / RESULT_FILE).is_file():
        return
    for figure in draw_figures(folder, read_result_file(folder / RESULT_FILE), title=experiment):
        print(f"figure       {figure}")
    checkpoint = newest_checkpoint(folder)
    if checkpoint:
        print(f"evaluate it  {command()} evaluate {shlex.quote(str(checkpoint))}")
        print("continue it  repeat the command with a larger --stop and")
        print(f"             --resume {shlex.quote(str(checkpoint))}")
    if (folder / TRANSCRIPT_FOLDER).is_dir():
        print(f"transcripts  {folder / TRANSCRIPT_FOLDER}")


def report_interrupt(experiment_folder: Path) -> None:
    """Print how to continue an interrupted run."""
    print("interrupted  to continue from the last checkpoint, repeat the command with")
    print(f"             --resume {shlex.quote(str(_short(experiment_folder)))}")


def print_error(error_file: Path) -> None:
    """Print the end of a trial's traceback, which shows the cause, and where the rest is."""
    lines = error_file.read_text(errors="replace").rstrip().splitlines()
    print("\n".join(lines[-_ERROR_LINES:]))
    print(f"the run failed; the full error is in {error_file}; -v shows what the workers print")


def draw_figures(folder: Path, summaries: list[IterationSummary], *, title: str) -> list[Path]:
    """Write the learning curve and any anchor-group sizes to ``folder``; [] without matplotlib."""
    try:
        figures = [
            plots.save(
                plots.learning_curve({"run": summaries}, title=title), folder / "learning_curve.png"
            )
        ]
        if any(summary.anchor_group_sizes for summary in summaries):
            sizes = plots.anchor_group_sizes(summaries, title=title)
            figures.append(plots.save(sizes, folder / "anchor_group_sizes.png"))
    except MissingExtraError as error:
        print(error)
        return []
    return figures


def command() -> str:
    """Return the command for this environment's `rllib`: its path, unless PATH finds it.

    ``make train`` runs it in a virtual environment that the user's shell has not activated.
    """
    script = Path(sys.executable).with_name("rllib")
    found = shutil.which("rllib")
    if not script.exists() or (found and Path(found).samefile(script)):
        return "rllib"
    return shlex.quote(str(_short(script)))


def _short(path: Path) -> Path:
    """Return ``path``, relative to the working directory if it is inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
