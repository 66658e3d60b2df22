"""Map when credit per step helps language models, one axis at a time.

    python benchmarks/learning/agent_map.py --output results/map/agents
    python benchmarks/learning/agent_map.py --axes delivery_slack --processes 2 --figures

Each run has a file of its own, and a run whose file exists is skipped, so an interrupted command
resumes. Finished runs are also kept in docs/results/map, a line each, so that a new clone goes on.
Each axis gets a picture (PNG and SVG) and a Markdown table. ``plan.md`` says what is run and why,
``agent_axes.py`` lists the cells and ``measures.py`` defines the measures.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from agent_axes import AXES, num_seeds
from agent_runs import AgentRun
from map_command import Map, parsed, parser_of, run_map

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "results" / "map"
AGENTS = Map("agents", AXES, AgentRun, seeds=num_seeds, published=PUBLISHED)


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the missing runs, then write tables, pictures and figures."""
    return run_map(AGENTS, parsed(parser_of(AGENTS, (__doc__ or "").splitlines()[0]), argv))


if __name__ == "__main__":
    sys.exit(main())
