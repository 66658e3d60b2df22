"""Make the panels that come with the package, from the test tasks of the examples.

    python benchmarks/shipped_panels.py

A changed panel gets a higher version: results on the old one cannot be compared with new ones. The
panels of ALFWorld's and WebShop's own data have no hashes, because the project ships no data;
`rllib panel make` adds those of the user's copy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rllib_gigpo.cli.experiment import load_experiment
from rllib_gigpo.config.gigpo_config import BaseGiGPOConfig
from rllib_gigpo.engines.inference_engine import EvalSampling
from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.maker import with_starts
from rllib_gigpo.panels.panel import SHIPPED, Panel, load_panel
from rllib_gigpo.panels.task_start import split_paths

EXAMPLES = Path(__file__).resolve().parents[1] / "tuned_examples"
# Panel -> the example whose test tasks it has.
FROM_EXAMPLES = {
    "textworld_coin5": "tiny/textworld_gigpo_tiny.py",
    "textworld_coin10": "tiny/textworld_coin10_gigpo_tiny.py",
    "textworld_treasure10": "tiny/textworld_treasure10_gigpo_tiny.py",
    "frozen_lake": "tiny/frozen_lake_gigpo_tiny.py",
    "delivery": "tiny/delivery_gigpo_tiny.py",
    "sokoban": "tiny/sokoban_gigpo_tiny.py",
    "sokoban_images": "tiny/sokoban_gigpo_vlm_tiny.py",
    "search_qa": "tiny/search_qa_gigpo_tiny.py",
    "alfworld_generated": "tiny/alfworld_gigpo_tiny.py",
    "webshop_synthetic": "tiny/webshop_gigpo_tiny.py",
    "minigrid": "tiny/minigrid_gigpo_tiny.py",
    "mixture": "tiny/mixture_gigpo_tiny.py",
    "numberline": "tiny/numberline_gigpo_tiny.py",
    "numberline_images": "tiny/numberline_gigpo_vlm_tiny.py",
    "ezpoints": "tiny/ezpoints_gigpo_tiny.py",
    "ezpoints_images": "tiny/ezpoints_gigpo_vlm_tiny.py",
    "points24": "tiny/points24_gigpo_tiny.py",
    "blackjack": "tiny/blackjack_gigpo_tiny.py",
    "blackjack_images": "tiny/blackjack_gigpo_vlm_tiny.py",
    "textworld_smollm2": "smollm2/textworld_gigpo_smollm2.py",
    "search_qa_smollm2": "smollm2/search_qa_gigpo_smollm2.py",
}
# Panels of data that the user has: settings of the environment, number of tasks, longest episode.
# The settings and limits are those of verl-agent's scripts.
OF_OWN_DATA: Mapping[str, tuple[str, Mapping[str, Any], int, int]] = {
    "alfworld_valid_seen": ("ALFWorld-v0", {"test_split": "valid_seen"}, 140, 50),
    "alfworld_valid_unseen": ("ALFWorld-v0", {"test_split": "valid_unseen"}, 134, 50),
    "webshop_test": (
        "WebShop-v0",
        {"reward": "win", "observation": "page_without_goal"},
        500,
        15,
    ),
}


def of_example(name: str, version: int) -> Panel:
    """Make the panel of an example's test tasks."""
    with patch.object(BaseGiGPOConfig, "warm_start", lambda self, **options: self):
        config = load_experiment(EXAMPLES / FROM_EXAMPLES[name]).config.evaluated()
    sampling = EvalSampling(**config.eval_sampling)
    settings, paths = split_paths(config.env_config)
    first = config.first_test_task
    content = {
        "name": name,
        "version": version,
        "env": config.env,
        "env_config": settings,
        "max_episode_steps": config.max_episode_steps,
        "decoding": {
            "seeds": [0],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        },
        "tasks": [{"seed": seed} for seed in range(first, first + config.num_test_tasks)],
    }
    return with_starts(load_panel(content), paths)


def of_own_data(name: str, version: int) -> Panel:
    """Make a panel of ids, without hashes."""
    env, settings, num_tasks, max_steps = OF_OWN_DATA[name]
    return load_panel(
        {
            "name": name,
            "version": version,
            "env": f"rllib_gigpo.envs:{env}",
            "env_config": {**settings, "max_steps": max_steps},
            "max_episode_steps": max_steps,
            "tasks": [{"seed": FIRST_TEST_SEED + number} for number in range(num_tasks)],
        }
    )


def next_version(panel: Panel) -> Panel:
    """Keep the version of a panel that has not changed; raise it for one that has."""
    try:
        old = load_panel(SHIPPED / f"{panel.name}.json")
    except PanelError:  # it is new
        return panel
    same = panel.model_copy(update={"version": old.version})
    return (
        same if same.digest == old.digest else same.model_copy(update={"version": old.version + 1})
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the panels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*FROM_EXAMPLES, *OF_OWN_DATA]
    parser.add_argument("names", nargs="*", metavar="NAME", help="(default: all)")
    for name in parser.parse_args(argv).names or known:  # an unknown one is a KeyError
        make = of_example if name in FROM_EXAMPLES else of_own_data
        panel = next_version(make(name, 1))
        panel.save(SHIPPED / f"{name}.json")
        print(f"{panel.label}  {len(panel.tasks)} tasks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
