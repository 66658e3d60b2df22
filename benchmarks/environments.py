"""Measure every environment without an LLM: steps/s, reset time, memory and recurring anchors.

    python benchmarks/environments.py
    python benchmarks/environments.py --only Corridor-v0 TextWorld-v0 --json environments.json
    python benchmarks/environments.py --trained results/learning results/sokoban

Groups of episodes of one task are played at random and by the expert; GiGPO can compare the states
that recur within a group. If an environment lists no actions, random play is random letters, and
its recurrence is left out. ``--trained`` names output folders of `compare_rules.py`: the recurrence
of trained play comes from the last iterations of their GiGPO runs, and the environment is played
with the settings of those runs. Environments whose backend is missing are left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
from compare_rules import WINDOW
from figures import Figure, add_figures_option, result_figures, write_figures

from rllib_gigpo.envs import CATALOGUE
from rllib_gigpo.envs.catalogue import EnvEntry
from rllib_gigpo.envs.conformance.contract_checks import recurring_anchors
from rllib_gigpo.envs.conformance.env_probe import (
    Episode,
    Policy,
    expert_policy,
    memory_per_copy,
    play,
    random_policy,
)
from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS
from rllib_gigpo.envs.textworld.textworld_games import GameSpec, game_file

NUM_COPIES = 8


def a_mixture() -> dict[str, Any]:
    """Return the config of a mixture, half corridors and half lakes."""
    names = ("Corridor-v0", "FrozenLake-v0")
    return {"parts": [{"env": f"rllib_gigpo.envs:{name}"} for name in names]}


def a_generated_game() -> dict[str, Any]:
    """Return the config of Jericho with a generated Z-machine file; Jericho ships none."""
    return {"game_file": str(game_file(GameSpec.create("coin_collector", {"level": 5}), 0))}


CONFIGS: dict[str, Callable[[], dict[str, Any]]] = {
    "Mixture-v0": a_mixture,
    "SearchQA-v0": lambda: {"list_actions": True},
    "Jericho-v0": a_generated_game,
    "OpenEnv-v0": lambda: {"package": "served_corridor:app"},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """The config of an environment, and the recurrence of its trained play."""

    env_config: Mapping[str, Any] = field(default_factory=dict)
    max_steps: int = 50
    recurring_trained: float | None = None
    num_runs: int = 0  # behind recurring_trained


def trained_settings(folders: Iterable[Path]) -> dict[str, Setting]:
    """Read the settings and the recurrence of trained play, by environment id.

    Args:
        folders: Output folders of ``compare_rules.py``.

    Raises:
        SystemExit: A folder has no record of a GiGPO run.
    """
    settings = {}
    for folder in folders:
        records = [json.loads(file.read_text()) for file in sorted(folder.glob("gigpo_seed*.json"))]
        if not records:
            raise SystemExit(
                f"{folder} has no gigpo_seed*.json; run benchmarks/compare_rules.py first."
            )
        settings[records[0]["environment"]] = Setting(
            env_config=records[0]["env_config"],
            max_steps=records[0]["max_episode_steps"],
            recurring_trained=statistics.fmean(map(recurring_at_the_end, records)),
            num_runs=len(records),
        )
    return settings


def recurring_at_the_end(record: Mapping[str, Any]) -> float:
    """Return the share of rows in anchor groups of two or more, in a run's last iterations."""
    sizes = [
        (size, count)
        for iteration in record["iterations"][-WINDOW:]
        for size, count in iteration["anchor_group_sizes"]
    ]
    recurring = sum(size * count for size, count in sizes if size > 1)
    return recurring / sum(size * count for size, count in sizes)


def measure(entry: EnvEntry, setting: Setting, args: argparse.Namespace) -> dict[str, float | None]:
    """Measure one environment."""

    def make(**others: Any) -> gymnasium.Env:
        return gymnasium.make(entry.id, disable_env_checker=True, **setting.env_config | others)

    env = make()
    env.reset(seed=0)  # generates or loads what the first use needs, untimed
    at_random = groups(env, random_policy, setting.max_steps, args)
    env.close()
    episodes = [episode for group in at_random.values() for episode in group]
    num_steps = sum(len(episode.actions) for episode in episodes)
    env = make(**{"expert": True} if "expert" in setting.env_config else {})
    has_expert = "expert_action" in env.reset(seed=0)[1]
    by_expert = groups(env, expert_policy, setting.max_steps, args) if has_expert else None
    env.close()
    copy_bytes = memory_per_copy(make, NUM_COPIES)
    return {
        "steps_per_s": num_steps / sum(episode.steps_s for episode in episodes),
        "reset_ms": 1000 * statistics.median(episode.reset_s for episode in episodes),
        "copy_mb": None if copy_bytes is None else copy_bytes / 1e6,
        "recurring_random": recurring_anchors(at_random) if lists_actions(episodes) else None,
        "recurring_expert": recurring_anchors(by_expert) if by_expert else None,
        "recurring_trained": setting.recurring_trained,
    }


def lists_actions(episodes: Iterable[Episode]) -> bool:
    """Return whether the environment lists its actions; otherwise random play is meaningless."""
    return any(turn.info.get(ADMISSIBLE_ACTIONS) for episode in episodes for turn in episode.turns)


def groups(
    env: gymnasium.Env,
    policy_of: Callable[[gymnasium.Space, int], Policy],
    max_steps: int,
    args: argparse.Namespace,
) -> dict[int, Sequence[Episode]]:
    """Play ``--group-size`` episodes of each of ``--num-tasks`` tasks."""
    return {
        seed: [
            play(
                env,
                seed=seed,
                policy=policy_of(env.action_space, 1000 * seed + member),
                to_text=lambda observation: observation,
                max_steps=max_steps,
            )
            for member in range(args.group_size)
        ]
        for seed in range(args.num_tasks)
    }


def figures_of(
    results: Mapping[str, Mapping[str, float | None]],
    num_episodes: int,
    num_runs: Mapping[str, int],
) -> Iterator[Figure]:
    """Yield the figures of all environments.

    Args:
        results: What `measure` found, by name of the environment.
        num_episodes: Number of episodes of random play, and of the expert.
        num_runs: Number of training runs behind the recurrence of trained play, by name.
    """
    for name, row in results.items():
        measured = {key: value for key, value in row.items() if value is not None}
        trained = measured.pop("recurring_trained", None)
        prefix = f"environments/{name}"
        yield from result_figures(prefix, measured, n=num_episodes)
        if trained is not None:
            yield from result_figures(prefix, {"recurring_trained": trained}, n=num_runs[name])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--only", nargs="+", choices=[entry.name for entry in CATALOGUE])
    parser.add_argument("--num-tasks", type=int, default=4)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--trained", nargs="+", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    settings = trained_settings(args.trained)
    heads = "steps/s | reset, ms | MB a copy | recurring: random | expert | trained"
    print(f"| environment | {heads} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    results, num_runs = {}, {}
    for entry in CATALOGUE:
        if (args.only and entry.name not in args.only) or not entry.is_installed:
            continue
        setting = settings.get(entry.id) or Setting(CONFIGS.get(entry.name, dict)())
        row = results[entry.name] = measure(entry, setting, args)
        num_runs[entry.name] = setting.num_runs
        print(f"| `{entry.name}` | " + " | ".join(cells(row)) + " |", flush=True)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if args.figures:
        num_episodes = args.num_tasks * args.group_size
        write_figures(list(figures_of(results, num_episodes, num_runs)))


def cells(row: dict[str, float | None]) -> list[str]:
    """Lay out the cells of one row."""
    formats = {
        "steps_per_s": "{:,.0f}",
        "reset_ms": "{:.1f}",
        "copy_mb": "{:.1f}",
        "recurring_random": "{:.0%}",
        "recurring_expert": "{:.0%}",
        "recurring_trained": "{:.0%}",
    }
    return ["-" if row[key] is None else text.format(row[key]) for key, text in formats.items()]


if __name__ == "__main__":
    main()
