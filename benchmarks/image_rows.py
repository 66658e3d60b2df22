"""Time rows with images, merged and not, and rows of text before and after images came in.

    python benchmarks/image_rows.py merging [--figures]
    python benchmarks/image_rows.py text --before CHECKOUT [--figures]

"merging": one iteration of the Sokoban pictures' example is played; then the same update is timed
with its images as they are, equal ones once, and with each place its own image. Both sides take
turns in one process, and a row counts once for each update.

"text": whole iterations, rollout and update, of a tiny model of text on Corridor, with this
checkout and with another one. Both sides take turns, each in its own process, and go first in every
second pair. Rows are counted for each second of CPU time, of all threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from figures import Figure, add_figures_option, write_figures

ROOT = Path(__file__).resolve().parents[1]
ISSUE = 19
EXPERIMENT = ROOT / "tuned_examples" / "tiny" / "sokoban_gigpo_vlm_tiny.py"
REPEATS = 9
TEXT_REPEATS = 6
_WARM_UP, _TIMED = 2, 7  # iterations of text


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of the two comparisons."""
    parser = argparse.ArgumentParser(description="Time rows with and without images.")
    parser.add_argument("what", choices=("merging", "text", "one-text"))
    parser.add_argument("--before", type=Path, help="a checkout without images")
    add_figures_option(parser)
    args = parser.parse_args(argv)
    if args.what == "one-text":
        print(text_rows_per_s())
        return
    if args.what == "text" and args.before is None:
        parser.error("text needs --before CHECKOUT")
    figures = merging() if args.what == "merging" else text(args.before.resolve())
    for figure in figures:
        print(f"{figure.name:<32} {figure.value:.4g}")
    if args.figures:
        write_figures(figures)


def merging() -> list[Figure]:
    """Time updates with equal images merged, and with each place its own."""
    import ray

    from rllib_gigpo import columns
    from rllib_gigpo.cli.experiment import load_experiment
    from rllib_gigpo.learner.training_rows import TrainingRows

    config = load_experiment(EXPERIMENT).config.evaluation(evaluation_interval=None)
    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = config.build_algo()
    algorithm.train()
    rows = algorithm.last_batch[columns.TOKEN_ROWS]
    update = algorithm.learner_group.update
    sides: dict[str, Callable[[], Any]] = {
        "merged": lambda: update(training_data=TrainingRows(rows=rows)),
        "unmerged": lambda: update(training_data=TrainingRows(rows=unmerged(rows))),
    }
    seconds = take_turns(sides)
    algorithm.stop()
    speeds = {name: rows.num_rows / statistics.median(of_one) for name, of_one in seconds.items()}
    return [
        *(
            Figure(ISSUE, f"image_rows_per_s_{name}", one, n=REPEATS)
            for name, one in speeds.items()
        ),
        Figure(ISSUE, "image_rows_merged_over_unmerged", speeds["merged"] / speeds["unmerged"]),
        Figure(ISSUE, "image_rows_per_distinct_image", rows.num_rows / len(rows.images.images)),
    ]


def unmerged(rows: Any) -> Any:
    """Return rows in which each place shows an image of its own key."""
    import numpy as np

    from rllib_gigpo.media.image import Image

    images = rows.images
    shown = [images.images[i] for i in images.image_ids.tolist()]
    twins = tuple(Image(f"{place}-{one.key}", one.pixels) for place, one in enumerate(shown))
    return replace(rows, images=replace(images, images=twins, image_ids=np.arange(len(twins))))


def take_turns(sides: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Return the seconds of each side, after a turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(1 + REPEATS):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def text(before: Path) -> list[Figure]:
    """Compare this checkout's rows of text a second with another one's."""
    speeds: dict[Path, list[float]] = {before: [], ROOT: []}
    for pair in range(TEXT_REPEATS):
        for checkout in (before, ROOT) if pair % 2 else (ROOT, before):
            speeds[checkout].append(_one_text(checkout))
            print(f"{checkout}: {speeds[checkout][-1]:.1f} rows/s", flush=True)
    ratios = [after / earlier for earlier, after in zip(*speeds.values(), strict=True)]
    return [
        Figure(
            ISSUE, "text_rows_per_cpu_s_before", statistics.median(speeds[before]), n=TEXT_REPEATS
        ),
        Figure(ISSUE, "text_rows_per_cpu_s_after", statistics.median(speeds[ROOT]), n=TEXT_REPEATS),
        Figure(
            ISSUE, "text_rows_after_over_before", statistics.median(ratios), ">= 0.99", TEXT_REPEATS
        ),
    ]


def _one_text(checkout: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "one-text"]
    done = subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True)
    return float(done.stdout.split()[-1])


def text_rows_per_s() -> float:
    """Train a tiny model of text on Corridor; return its rows for each second of CPU time."""
    import ray

    from rllib_gigpo import GiGPOConfig, columns
    from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
        build_model(tokenizer, hidden_size=96, num_layers=2, num_heads=3).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        config = (
            GiGPOConfig.preset("gigpo-tiny")
            .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 8, "max_steps": 12})
            .llm(model_path=folder)
            .tasks(num_train_tasks=64, max_episode_steps=12)
            .training(num_groups=4, group_size=4)
            .reporting(transcripts={"interval": 0})
            .debugging(seed=0)
        )
        ray.init(include_dashboard=False, log_to_driver=False)
        algorithm = config.build_algo()
        num_rows = 0
        for iteration in range(_WARM_UP + _TIMED):
            if iteration == _WARM_UP:
                num_rows, start = 0, time.process_time()
            algorithm.train()
            num_rows += algorithm.last_batch[columns.TOKEN_ROWS].num_rows
        speed = num_rows / (time.process_time() - start)
        algorithm.stop()
    return speed


if __name__ == "__main__":
    main()
