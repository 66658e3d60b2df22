"""The pages of runs by address; the server renders them on demand, an export writes them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.reports.results import METRIC_PATHS
from rllib_gigpo.viewer import anchor_table, curves, state_graph
from rllib_gigpo.viewer.drawing import ASSETS, page_templates
from rllib_gigpo.viewer.group_lanes import group_lanes
from rllib_gigpo.viewer.recorded_steps import RecordedGroup
from rllib_gigpo.viewer.run_folder import RunFolder, flat
from rllib_gigpo.viewer.step_search import search_rows

_MOST_ROWS = 100  # of a table; a page never has more than 500 rows
_RUN_PAGE = re.compile(r"run-(\d+)/([a-z]+)(?:-(\d+))?(?:-(\d+))?\.(html|js)")
_TILES = {
    "success rate": "success_rate",
    "evaluation": "eval_success_rate",
    "return": "episode_return",
    "steps": "episode_length",
    "KL": "kl",
    "entropy": "entropy",
}


class Site:
    """All pages of some runs.

    An address is a path such as ``run-1/group-11-3.html``. Links between pages are relative, so
    that they work from a server and from a folder alike.
    """

    def __init__(self, runs: Sequence[RunFolder], *, is_live: bool = False) -> None:
        """Prepare the templates.

        Args:
            runs: The runs, in the order of their numbers in the addresses.
            is_live: Whether pages ask for news while they are open.
        """
        self.runs = list(runs)
        self._is_live = is_live
        self._templates = page_templates()
        self._pages: Mapping[str, Callable[..., str]] = {
            "index": self._run,
            "episodes": self._episodes,
            "anchors": self._anchors,
            "group": self._group,
            "task": self._task,
            "steps": self._steps,
        }

    def addresses(self) -> Iterator[str]:
        """Yield the addresses of all pages, those with a link to them first."""
        yield "index.html"
        for index, run in enumerate(self.runs, start=1):
            yield from (f"run-{index}/{name}.html" for name in ("index", "episodes", "anchors"))
            for iteration in run.iterations():
                yield f"run-{index}/steps-{iteration}.js"
                for group in run.groups(iteration):
                    yield f"run-{index}/group-{iteration}-{group.group_id}.html"
            yield from (
                f"run-{index}/task-{task}.html" for task in state_graph.tasks(run.all_groups())
            )

    def page(self, address: str) -> str | None:
        """Render a page; None if there is none at this address."""
        if address in ("", "index.html"):
            return self._overview()
        match = _RUN_PAGE.fullmatch(address)
        if match is None or not 1 <= int(match[1]) <= len(self.runs):
            return None
        make = self._pages.get(match[2])
        numbers = [int(part) for part in match.groups()[2:4] if part is not None]
        try:
            return make(int(match[1]), *numbers) if make else None
        except (LookupError, TypeError):  # no such group, or too many numbers
            return None

    def stamp(self) -> str:
        """Return a text that changes when a run has written something."""
        return " ".join(run.stamp() for run in self.runs)

    # ------------------------------------------------------------- pages

    def _overview(self) -> str:
        results = {run.name: run.results() for run in self.runs}
        rows = [
            {"number": index, "name": run.name, "num_iterations": len(results[run.name])}
            | {"tiles": _tiles(results[run.name])}
            for index, run in enumerate(self.runs, start=1)
        ]
        return self._render(
            "overview", depth=0, rows=rows, heads=list(_TILES), data=curves.charts(results)
        )

    def _run(self, index: int) -> str:
        run = self.runs[index - 1]
        results = run.results()
        recorded = list(run.all_groups())
        return self._render(
            "run",
            run=run,
            index=index,
            tiles=_tiles(results),
            num_iterations=len(results),
            data=curves.charts({run.name: results}),
            groups=[_in_short(group) for group in reversed(recorded)][:_MOST_ROWS],
            num_groups=len(recorded),
            tasks=sorted(state_graph.tasks(recorded).items())[:_MOST_ROWS],
            faults=curves.faults(results)[-_MOST_ROWS:],
            error=run.error(),
            versions=run.versions(),
            settings=[f"{name} = {_plain(value)}" for name, value in flat(run.settings())],
        )

    def _episodes(self, index: int) -> str:
        run = self.runs[index - 1]
        return self._render("episodes", run=run, index=index, data={"iterations": run.iterations()})

    def _steps(self, index: int, iteration: int) -> str:
        rows = search_rows(self.runs[index - 1].groups(iteration))
        return f"view.addSteps({iteration}, {json.dumps(rows)});\n"

    def _anchors(self, index: int) -> str:
        run = self.runs[index - 1]
        rows = anchor_table.anchor_rows(run.all_groups())
        return self._render(
            "anchors",
            run=run,
            index=index,
            data=curves.anchor_sizes(run.results()),
            largest=anchor_table.largest(rows, _MOST_ROWS),
            most_spread=anchor_table.most_spread(rows, _MOST_ROWS),
        )

    def _group(self, index: int, iteration: int, group_id: int) -> str:
        run = self.runs[index - 1]
        found = {group.group_id: group for group in run.groups(iteration)}
        group = found[group_id]
        return self._render("group", run=run, index=index, group=group, data=group_lanes(group))

    def _task(self, index: int, task: int) -> str:
        run = self.runs[index - 1]
        groups = [group for group in run.all_groups() if group.task == task]
        if not groups:
            raise LookupError(task)
        graph = state_graph.state_graph(groups)
        return self._render(
            "task",
            run=run,
            index=index,
            task=task,
            groups=[_in_short(group) for group in groups][-_MOST_ROWS:],
            graph=graph,
            data=state_graph.as_data(graph),
        )

    def _render(self, template: str, *, depth: int = 1, **values: Any) -> str:
        return self._templates.get_template(f"{template}.html.jinja").render(
            root="../" * depth, is_live=self._is_live, has_many=len(self.runs) > 1, **values
        )


def assets() -> dict[str, Path]:
    """Return the scripts and styles by their address.

    Raises:
        MissingExtraError: plotly, whose script draws the curves, is not installed.
    """
    plotly = find_spec("plotly")
    if plotly is None or plotly.origin is None:
        raise MissingExtraError("the page needs plotly; run pip install plotly")
    own = {f"assets/{file.name}": file for file in sorted(ASSETS.iterdir())}
    script = Path(plotly.origin).parent / "package_data/plotly.min.js"
    return {**own, "assets/plotly.min.js": script}


def _tiles(results: curves.Results) -> dict[str, float | None]:
    return {label: curves.latest(results, METRIC_PATHS[name]) for label, name in _TILES.items()}


def _in_short(group: RecordedGroup) -> dict[str, Any]:
    outcomes = [episode.outcome for episode in group.episodes]
    return {
        "iteration": group.iteration,
        "group_id": group.group_id,
        "task": group.task,
        "outcomes": {name: outcomes.count(name) for name in ("won", "lost", "cut")},
        "num_steps": sum(len(episode.steps) for episode in group.episodes),
        "tags": group.episodes[0].tags,
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
