"""The pages of runs by address; the server renders them on demand, an export writes them all."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.reports.results import METRIC_PATHS
from rllib_gigpo.viewer import curves, state_graph
from rllib_gigpo.viewer.graph_drawing import ASSETS, page_templates
from rllib_gigpo.viewer.group_lanes import group_lanes
from rllib_gigpo.viewer.run_folder import RunFolder, find_runs, flat
from rllib_gigpo.viewer.step_search import search_rows
from rllib_gigpo.viewer.transcript_summary import largest, most_spread, outcomes_by_task

_MOST_ROWS = 100  # of a table; a page never has more than 500 rows
_MOST_STATES = 400  # of a graph that can be read
_RUN_PAGE = re.compile(r"run-(\d+)/([a-z]+)(?:-(\d+))?(?:-(\d+))?\.(?:html|js)")
_Values = Mapping[str, Any]  # what a template shows
_TILES = {
    "success rate": "success_rate",
    "evaluation": "eval_success_rate",
    "episode return": "episode_return",
    "episode length": "episode_length",
    "update KL": "kl",
    "entropy": "entropy",
}


class Site:
    """All pages of some runs.

    An address is a path such as ``run-1/group-11-3.html``. Links between pages are relative, so
    that they work from a server and from a folder alike.
    """

    def __init__(self, runs: Sequence[RunFolder], *, folder: Path | None = None) -> None:
        """Prepare the templates.

        Args:
            runs: The runs, in the order of their numbers in the addresses.
            folder: Where new runs may appear; the pages then ask for news while they are open.
        """
        self.runs = list(runs)
        self._folder = folder
        self._lock = threading.Lock()  # the server answers from several threads
        self._templates = page_templates()
        # Page of a run -> its template, how many numbers its address has, and its values.
        self._pages: Mapping[str, tuple[str, int, Callable[..., _Values | None]]] = {
            "index": ("run.html", 0, self._run),
            "episodes": ("episodes.html", 0, self._episodes),
            "anchors": ("anchors.html", 0, self._anchors),
            "group": ("group.html", 2, self._group),
            "task": ("task.html", 1, self._task),
            "steps": ("steps.js", 1, self._steps),
        }

    def addresses(self) -> Iterator[str]:
        """Yield the addresses of all pages."""
        yield "index.html"
        for index, run in enumerate(self.runs, start=1):
            yield from (f"run-{index}/{name}.html" for name in ("index", "episodes", "anchors"))
            summaries = run.summaries()
            for summary in summaries:
                yield f"run-{index}/steps-{summary.iteration}.js"
                for group in summary.groups:
                    yield f"run-{index}/group-{summary.iteration}-{group.group_id}.html"
            yield from (f"run-{index}/task-{task}.html" for task in outcomes_by_task(summaries))

    def page(self, address: str) -> str | None:
        """Render a page; None if there is none at this address."""
        stamp = None if self._folder is None else self.stamp()  # before anything is read
        if address in ("", "index.html"):
            return self._render("overview.html", root="", stamp=stamp, **self._overview())
        match = _RUN_PAGE.fullmatch(address)
        if match is None or not 1 <= int(match[1]) <= len(self.runs) or match[2] not in self._pages:
            return None
        template, num_numbers, values_of = self._pages[match[2]]
        numbers = [int(part) for part in match.groups()[2:] if part is not None]
        if len(numbers) != num_numbers:
            return None
        run = self.runs[int(match[1]) - 1]
        values = values_of(run, *numbers)
        if values is None:
            return None
        return self._render(
            template, root="../", stamp=stamp, run=run, index=int(match[1]), **values
        )

    def stamp(self) -> str:
        """Return a text that changes when a run has written something, or a new one appears."""
        if self._folder is not None:
            with self._lock, contextlib.suppress(GiGPOError):  # the folder was deleted
                known = {run.folder for run in self.runs}
                self.runs += [run for run in find_runs(self._folder) if run.folder not in known]
        return " ".join(run.stamp() for run in self.runs)

    def _render(self, template: str, **values: Any) -> str:
        page = self._templates.get_template(f"{template}.jinja")
        return page.render(has_many=len(self.runs) > 1, **values)

    # ------------------------------------------------------------- values of pages

    def _overview(self) -> _Values:
        results = {run.name: run.results() for run in self.runs}
        rows = [
            {"number": index, "name": run.name, "num_iterations": len(results[run.name])}
            | {"tiles": _tiles(results[run.name])}
            for index, run in enumerate(self.runs, start=1)
        ]
        return {"rows": rows, "heads": list(_TILES), "data": curves.charts(results)}

    def _run(self, run: RunFolder) -> _Values:
        results = run.results()
        summaries = run.summaries()
        recorded = [group for summary in reversed(summaries) for group in summary.groups]
        return {
            "tiles": _tiles(results),
            "num_iterations": len(results),
            "data": curves.charts({run.name: results}),
            "groups": recorded[:_MOST_ROWS],
            "num_groups": len(recorded),
            "tasks": list(outcomes_by_task(summaries).items())[:_MOST_ROWS],
            "faults": curves.faults(results)[-_MOST_ROWS:],
            "error": run.error(),
            "versions": run.versions(),
            "settings": [f"{name} = {_plain(value)}" for name, value in flat(run.settings())],
        }

    def _episodes(self, run: RunFolder) -> _Values:
        return {"data": {"iterations": list(run.transcript_sizes().items())}}

    def _steps(self, run: RunFolder, iteration: int) -> _Values:
        return {"iteration": iteration, "rows": search_rows(run.groups(iteration))}

    def _anchors(self, run: RunFolder) -> _Values:
        summaries = run.summaries()
        return {
            "data": curves.anchor_sizes(run.results()),
            "largest": largest(row for one in summaries for row in one.largest),
            "most_spread": most_spread(row for one in summaries for row in one.most_spread),
        }

    def _group(self, run: RunFolder, iteration: int, group_id: int) -> _Values | None:
        for group in run.groups(iteration):
            if group.group_id == group_id:
                return {"group": group, "data": group_lanes(group)}
        return None

    def _task(self, run: RunFolder, task: int) -> _Values | None:
        known = [one for summary in run.summaries() for one in summary.groups if one.task == task]
        drawn = state_graph.within(run.groups_of_task(task), _MOST_STATES)
        if not drawn:
            return None
        graph = state_graph.state_graph(reversed(drawn))
        return {
            "task": task,
            "groups": known[::-1][:_MOST_ROWS],
            "num_groups": len(known),
            "num_drawn": len(drawn),
            "graph": graph,
            "data": state_graph.as_data(graph),
        }


def assets() -> dict[str, Path]:
    """Return the scripts and styles by their address.

    Raises:
        GiGPOError: plotly, whose script draws the curves, is not installed.
    """
    plotly = find_spec("plotly")
    if plotly is None or plotly.origin is None:
        raise GiGPOError("the page needs plotly; run pip install plotly")
    own = {f"assets/{file.name}": file for file in sorted(ASSETS.iterdir())}
    script = Path(plotly.origin).parent / "package_data/plotly.min.js"
    return {**own, "assets/plotly.min.js": script}


def _tiles(results: curves.Results) -> dict[str, float | None]:
    return {label: curves.latest(results, METRIC_PATHS[name]) for label, name in _TILES.items()}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
