"""The progress of a training run: a live panel on a terminal, one line per iteration elsewhere."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rllib_gigpo.reports.results import IterationSummary

_SPARKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 60
_ROUNDING = 1e-3  # of a log-prob; engine and Learner agree to 1e-4 in float32


class ProgressDisplay(ABC):
    """A display of the progress of one run, or of the trials of a sweep.

    Args:
        stop: When the run stops; ``training_iteration`` and ``time_total_s`` yield the time left.
    """

    def __init__(self, stop: Mapping[str, Any]) -> None:
        self._stop = stop
        self.history: dict[str, list[IterationSummary]] = {}

    def start(self) -> None:  # noqa: B027 - optional
        """Start the display; the first iteration may be minutes away."""

    def update(self, trial_name: str, summary: IterationSummary) -> None:
        """Add and show the iteration that a trial has just finished."""
        self.history.setdefault(trial_name, []).append(summary)
        self._show(trial_name)

    def stop(self) -> None:  # noqa: B027 - optional
        """Leave the last state on the screen and release the terminal."""

    @abstractmethod
    def _show(self, trial_name: str) -> None:
        """Show the history after ``trial_name`` has added an iteration."""


class PlainProgress(ProgressDisplay):
    """A display of one line per iteration, for files, pipes and CI."""

    def __init__(self, stop: Mapping[str, Any], *, stream: TextIO | None = None) -> None:
        super().__init__(stop)
        self._stream = stream or sys.stdout

    def _show(self, trial_name: str) -> None:
        line = plain_line(self.history[trial_name], self._stop)
        prefix = f"{trial_name}  " if len(self.history) > 1 else ""
        print(prefix + line, file=self._stream, flush=True)


class LiveProgress(ProgressDisplay):
    """A panel that redraws itself: one trial in detail, or one row per trial of a sweep."""

    def __init__(self, stop: Mapping[str, Any], *, title: str, console: Any = None) -> None:
        super().__init__(stop)
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._live = Live(console=console or Console(), refresh_per_second=4)

    def start(self) -> None:
        """Show that the engine and the environments are starting."""
        from rich.spinner import Spinner

        self._live.update(Spinner("dots", text=f"{self._title}: starting engine and environments"))
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Leave the last panel on the screen."""
        self._live.stop()

    def _show(self, trial_name: str) -> None:
        one_trial = len(self.history) == 1
        body = self._detail(self.history[trial_name]) if one_trial else self._overview()
        self._live.update(body, refresh=True)

    def _detail(self, history: Sequence[IterationSummary]) -> Any:
        from rich.panel import Panel
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for label, value in detail_rows(history, self._stop):
            table.add_row(f"[dim]{label}[/dim]", value)
        return Panel(table, title=self._title, border_style="cyan", expand=False)

    def _overview(self) -> Any:
        from rich.table import Table

        table = Table(title=self._title)
        for column in ("trial", "iteration", "success", "return", "valid", "tokens/s", "time left"):
            table.add_column(column, justify="left" if column == "trial" else "right")
        for name, history in self.history.items():
            last = history[-1]
            table.add_row(
                name,
                iteration_text(last, self._stop),
                percent(last.success_rate),
                decimal(last.episode_return),
                percent(last.format_valid_rate),
                thousands(last.tokens_per_s),
                duration(seconds_left(history, self._stop)),
            )
        return table


def make_display(stop: Mapping[str, Any], *, title: str) -> ProgressDisplay:
    """Return the live panel if stdout is a terminal, else plain lines."""
    return LiveProgress(stop, title=title) if sys.stdout.isatty() else PlainProgress(stop)


def plain_line(history: Sequence[IterationSummary], stop: Mapping[str, Any]) -> str:
    """Format the last iteration of ``history`` as one line, and its warnings as further lines."""
    last = history[-1]
    cells = [
        f"iteration {iteration_text(last, stop)}",
        f"success {percent(last.success_rate)}",
        f"return {decimal(last.episode_return)}",
        f"valid {percent(last.format_valid_rate)}",
        f"length {decimal(last.episode_length, 1)}",
        f"tokens/s {thousands(last.tokens_per_s)}",
        phase_text(last),
        f"left {duration(seconds_left(history, stop))}",
    ]
    if last.eval_success_rate is not None:
        cells.append(f"evaluation {evaluation_text(last)}")
    if last.groups_lost:
        cells.append(f"lost groups {kinds_text(last)}")
    if has_mismatch(last):
        cells.append(f"engine differs {mismatch_text(last)}")
    if last.num_skipped_steps:
        cells.append(f"skipped steps {last.num_skipped_steps:.0f}")
    return "\n".join(["  ".join(cells), *warning_lines(last)])


def detail_rows(
    history: Sequence[IterationSummary], stop: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the (label, value) rows that the panel shows for one trial."""
    last = history[-1]
    evaluated = [summary for summary in history if summary.eval_success_rate is not None]
    rows = [
        ("iteration", iteration_text(last, stop)),
        ("success", f"{percent(last.success_rate)}  {sparkline(_success_rates(history))}"),
        ("evaluation", evaluation_text(evaluated[-1]) if evaluated else "-"),
        ("return", decimal(last.episode_return)),
        (
            "valid / admissible",
            f"{percent(last.format_valid_rate)} / {percent(last.admissible_rate)}",
        ),
        ("episode length", decimal(last.episode_length, 1)),
        ("anchor group size", decimal(last.anchor_group_size, 1)),
        ("entropy / update KL", f"{decimal(last.entropy, 3)} / {decimal(last.kl, 4)}"),
        ("tokens/s", thousands(last.tokens_per_s)),
        ("time", f"{duration(last.iteration_s)}: {phase_text(last)}"),
        (
            "total / left",
            f"{duration(last.time_total_s)} / {duration(seconds_left(history, stop))}",
        ),
    ]
    if has_mismatch(last):
        rows.append(("engine differs", mismatch_text(last)))
    if last.num_episodes_lost:
        rows.append(("episodes lost", f"[red]{last.num_episodes_lost:.0f}[/red]"))
    if last.groups_lost:
        rows.append(("groups lost", f"[red]{kinds_text(last)}[/red]"))
    if last.num_skipped_steps:
        rows.append(("skipped steps", f"[red]{last.num_skipped_steps:.0f}[/red]"))
    rows += [("", line) for summary in history for line in warning_lines(summary)]
    return rows


def seconds_left(history: Sequence[IterationSummary], stop: Mapping[str, Any]) -> float | None:
    """Estimate the time left from the last ten iterations; None if ``stop`` does not bound it."""
    last = history[-1]
    recent = [summary.iteration_s for summary in history[-10:] if summary.iteration_s is not None]
    estimates = []
    if "training_iteration" in stop and recent:
        iterations_left = max(0, stop["training_iteration"] - last.iteration)
        estimates.append(iterations_left * sum(recent) / len(recent))
    if "time_total_s" in stop and last.time_total_s is not None:
        estimates.append(max(0.0, stop["time_total_s"] - last.time_total_s))
    return min(estimates, default=None)


def sparkline(values: Sequence[float]) -> str:
    """Draw fractions in [0, 1] as at most sixty blocks, each the mean of its values."""
    per_block = -(-len(values) // _CURVE_WIDTH) or 1
    blocks = [values[start : start + per_block] for start in range(0, len(values), per_block)]
    levels = [min(max(sum(block) / len(block), 0.0), 1.0) for block in blocks]
    return "".join(_SPARKS[round(level * (len(_SPARKS) - 1))] for level in levels)


def _success_rates(history: Sequence[IterationSummary]) -> list[float]:
    return [summary.success_rate for summary in history if summary.success_rate is not None]


def iteration_text(summary: IterationSummary, stop: Mapping[str, Any]) -> str:
    """Return "12/60", or "12" if ``stop`` sets no number of iterations."""
    goal = stop.get("training_iteration")
    return f"{summary.iteration}/{goal}" if goal else str(summary.iteration)


def evaluation_text(summary: IterationSummary) -> str:
    """Return "81.2% [74.1%, 86.8%] at iteration 40"."""
    interval = f"[{percent(summary.eval_success_ci_low)}, {percent(summary.eval_success_ci_high)}]"
    return f"{percent(summary.eval_success_rate)} {interval} at iteration {summary.iteration}"


def kinds_text(summary: IterationSummary) -> str:
    """Return "3 step, 1 timeout", the groups that faults cost."""
    return ", ".join(f"{number:.0f} {kind}" for kind, number in summary.groups_lost)


def warning_lines(summary: IterationSummary) -> list[str]:
    """Return "warning: ..." for each warning of an iteration."""
    return [f"warning: {text}" for text in summary.warnings.splitlines()]


def has_mismatch(summary: IterationSummary) -> bool:
    """Return whether the engine's log-probs differ from the Learner's by more than rounding."""
    return (summary.max_abs_logp_diff or 0.0) > _ROUNDING


def mismatch_text(summary: IterationSummary) -> str:
    """Return "KL 0.0012, at most 0.41, capped 0.3%", the last for importance weights."""
    cells = [
        f"KL {decimal(summary.rollout_kl, 4)}",
        f"at most {decimal(summary.max_abs_logp_diff)}",
    ]
    if summary.importance_capped_share is not None:
        cells.append(f"capped {percent(summary.importance_capped_share)}")
    return ", ".join(cells)


def phase_text(summary: IterationSummary) -> str:
    """Return "sample 3.1s learn 2.2s"; "-" if no phase was timed."""
    return " ".join(f"{phase} {value:.1f}s" for phase, value in summary.phase_seconds) or "-"


def percent(value: float | None) -> str:
    """Return a fraction as "81.2%"; "-" for None."""
    return "-" if value is None else f"{100 * value:.1f}%"


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed number of digits; "-" for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def thousands(value: float | None) -> str:
    """Return a whole number as "12,345"; "-" for None."""
    return "-" if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Return a time as "42s", "4m10s" or "2h05m"; "-" for None."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
