"""The report at the end of a run: what failed, where the results are, and what to run next."""

import shlex
import shutil
import sys
from pathlib import Path

from rllib_gigpo.checkpoints.finder import newest_checkpoint, trials_in
from rllib_gigpo.checkpoints.written_aside import disk_state
from rllib_gigpo.cli.training.progress_display import has_mismatch, mismatch_text
from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.reports import plots
from rllib_gigpo.reports.results import (
    ERROR_FILE,
    RESULT_FILE,
    IterationSummary,
    read_result_file,
)

_ERROR_LINES = 15
_OUR_ERRORS = "rllib_gigpo.errors."  # whose messages say what is wrong without a traceback


def report_trial(
    folder: Path, *, experiment: str, errors: Path | None, is_done: bool = True
) -> None:
    """Draw the figures of a trial and print its report.

    Args:
        folder: The trial's folder, with ``result.json`` and its checkpoints.
        experiment: Title of the figures.
        errors: The file to which the driver wrote the trial's errors, and of which Tune has copied
            as much as the disk holds to ``error.txt``; None if the trial did not fail.
        is_done: Whether the trial has reached ``stop``; if not, see `report_unfinished`.
    """
    if errors is not None:
        copy = folder / ERROR_FILE
        print_error(copy if _size(copy) >= _size(errors) else errors)
    folder = _short(folder)
    print(f"results      {folder}")
    if not _size(folder / RESULT_FILE):
        return
    summaries = read_result_file(folder / RESULT_FILE)
    report_mismatch(summaries)
    for figure in draw_figures(folder, summaries, title=experiment):
        print(f"figure       {figure}")
    found = newest_checkpoint(folder)
    if found:
        found.report()
        checkpoint = shlex.quote(str(found.path))
        print(f"evaluate it  {command()} evaluate {checkpoint}")
        if is_done:
            print("continue it  repeat the command with a larger --stop and")
            print(f"             --resume {checkpoint}")
    print(f"look at it   {command()} view {shlex.quote(str(folder))}")


def report_mismatch(summaries: list[IterationSummary]) -> None:
    """Print by how much the engine's log-probs differed from the Learner's, if they did."""
    different = [summary for summary in summaries if has_mismatch(summary)]
    if different:
        largest = max(different, key=lambda summary: summary.max_abs_logp_diff or 0.0)
        print(
            f"mismatch     engine and Learner differ in {len(different)} of {len(summaries)}"
            f" iterations; most in {largest.iteration}: {mismatch_text(largest)}"
        )


def report_unfinished(experiment_folder: Path, *, how: str) -> None:
    """Print how to continue a run, if it has a checkpoint to continue from.

    Args:
        experiment_folder: The run's folder.
        how: How it ended: "interrupted" or "failed".
    """
    if not any(newest_checkpoint(trial) for trial in trials_in(experiment_folder)):
        has_trained = any(map(_size, experiment_folder.glob(f"*/{RESULT_FILE}")))
        print(f"{how:<11}  before the first checkpoint, so there is nothing to resume")
        if has_trained:
            print("             repeat the command, perhaps with a smaller --checkpoint-freq")
        return
    print(f"{how:<11}  to continue from the last checkpoint, repeat the command with")
    print(f"             --resume {shlex.quote(str(_short(experiment_folder)))}")


def print_error(error_file: Path) -> None:
    """Print the message or the end of the traceback of a trial's error, and where the rest is."""
    try:
        lines = error_file.read_text(errors="replace").rstrip().splitlines()
    except OSError as error:
        lines = [f"{error_file} cannot be read: {error.strerror} ({disk_state(error_file)})"]
    ours = [number for number, line in enumerate(lines) if line.startswith(_OUR_ERRORS)]
    shown = lines[ours[-1] :] if ours else lines[-_ERROR_LINES:]
    print("\n".join(shown).removeprefix(_OUR_ERRORS))
    print(f"the run failed; the full error is in {error_file}; -v shows what the workers print")


def draw_figures(folder: Path, summaries: list[IterationSummary], *, title: str) -> list[Path]:
    """Write the learning curve and any anchor-group sizes to ``folder``.

    Returns:
        The files; [] if matplotlib is missing or fails, which a printed sentence explains.
    """
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
    # A fence: the run is over and its results are safe, whatever matplotlib or the disk does.
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        print(f"no figures   {reason} ({disk_state(folder)})")
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


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _short(path: Path) -> Path:
    """Return ``path``, relative to the working directory if it is inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
