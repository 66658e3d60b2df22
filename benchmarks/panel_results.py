"""Play one panel with one and three EnvRunners, few and many episodes at a time; compare results.

    python benchmarks/panel_results.py

The model is the one that the example fits before training; in float32 every task must end the same
way, and in bfloat16 the share of tasks that do not is reported.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import Figure, add_figures_option, write_figures

from rllib_gigpo.cli.experiment import load_experiment
from rllib_gigpo.cli.main import main as rllib

ISSUE = 20
EXAMPLES = Path(__file__).resolve().parents[1] / "tuned_examples" / "tiny"
# Name -> settings; three EnvRunners need more CPUs than two, which Ray only counts.
LAYOUTS: Mapping[str, Sequence[str]] = {
    "1 runner, 128 at a time": ("num_env_runners=1", "max_concurrent_episodes=128"),
    "1 runner, 8 at a time": ("num_env_runners=1", "max_concurrent_episodes=8"),
    "3 runners, 128 at a time": ("num_env_runners=3", "max_concurrent_episodes=128"),
    "3 runners, 8 at a time": ("num_env_runners=3", "max_concurrent_episodes=8"),
}
_PROMPTS = ("template", "history_length", "action_tag", "think_tag", "max_prompt_tokens")


def play(panel: str, config: Any, dtype: str, layout: Sequence[str]) -> list[dict[str, Any]]:
    """Play the panel, and return its episodes."""
    told = [f"{name}={getattr(config, name)}" for name in (*_PROMPTS, "max_response_tokens")]
    settings = [*told, f"engine_dtype={dtype}", *layout]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "result.json"
        arguments = [part for one in settings for part in ("--set", one)]
        arguments += ["--ray-num-cpus", "8", "--output", str(output)]
        if rllib(["panel", "run", panel, str(config.model_path), *arguments]) != 0:
            sys.exit(f"{panel} could not be played with {layout}")
        return list(json.loads(output.read_text())["played"])


def share_that_differs(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> float:
    """Return the share of episodes that ended in another way."""
    return sum(a != b for a, b in zip(one, other, strict=True)) / len(one)


def main(argv: Sequence[str] | None = None) -> int:
    """Play in every layout, then print and write the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--panel", default="frozen_lake")
    parser.add_argument("--experiment", type=Path, default=EXAMPLES / "frozen_lake_gigpo_tiny.py")
    args = parser.parse_args(argv)
    config = load_experiment(args.experiment).config
    figures = []
    for dtype in ("float32", "bfloat16"):
        played = {name: play(args.panel, config, dtype, layout) for name, layout in LAYOUTS.items()}
        first, *others = played.values()
        shares = [share_that_differs(first, other) for other in others]
        print(f"{dtype}: {len(first)} tasks, shares that differ {shares}")
        num = len(first) * len(others)
        if dtype == "float32":
            figures.append(Figure(ISSUE, "panel_same_results", 1.0 - max(shares), ">= 1", num))
        else:
            figures.append(Figure(ISSUE, "panel_bfloat16_differing", max(shares), None, num))
    if args.figures:
        write_figures(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
