"""Our side of the comparison with a peer; runs in this project's virtual environment.

    python benchmarks/peers/our_side.py record results/peers/job --late 30
    python benchmarks/peers/our_side.py learner results/peers/job --rows early [--shared]
    python benchmarks/peers/our_side.py loop results/peers/job --iterations 3

"record" trains the main job and keeps, of an early and a late iteration, the rows and the model
that sampled them, and the facts of the job that the peer needs. "learner" times the Learner on
those rows, and "loop" whole iterations of the job. Both print one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from ray.rllib.core import DEFAULT_MODULE_ID

sys.path.insert(0, str(Path(__file__).parents[1]))
from learner import local_learner
from row_file import RecordedRows, read_rows, write_rows
from side_report import Clock, print_result

from rllib_gigpo import columns
from rllib_gigpo.cli.experiment import load_experiment
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows

EXPERIMENT = (
    Path(__file__).resolve().parents[2] / "tuned_examples" / "tiny" / "textworld_gigpo_tiny.py"
)
ROW_MULTIPLE = 32  # TRL's micro-batches have equal numbers of rows
JOB_SETTINGS = (
    "env",
    "env_config",
    "first_train_task",
    "num_train_tasks",
    "max_episode_steps",
    "group_size",
    "num_groups",
    "num_minibatches",
    "template",
    "history_length",
    "max_prompt_tokens",
    "max_response_tokens",
    "lr",
    "grad_clip",
    "clip_param",
    "seed",
)


def record(folder: Path, *, late: int) -> None:
    """Train the main job up to iteration ``late``; keep the rows of the first and of the last."""
    config = load_experiment(EXPERIMENT).config
    facts = {name: getattr(config, name) for name in JOB_SETTINGS}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(facts, indent=1))
    algorithm = config.build_algo()
    names = {1: "early", late: "late"}
    for iteration in range(1, late + 1):
        name = names.get(iteration)
        if name:
            _save_model(algorithm, folder / f"{name}_model", source=str(config.model_path))
        result = algorithm.train()
        won = result["env_runners"]["success_rate"]
        print(f"iteration {iteration}: {won:.0%} of the episodes succeed", flush=True)
        if name:
            write_rows(folder / f"{name}.npz", _recorded(algorithm.last_batch))
    algorithm.stop()


def _save_model(algorithm: Any, folder: Path, *, source: str) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)  # the tokenizer's files
    learner = algorithm.learner_group._learner
    learner.module[DEFAULT_MODULE_ID].unwrapped().model.save_pretrained(str(folder))


def _recorded(batch: dict[str, Any]) -> RecordedRows:
    whole = RecordedRows(batch[columns.TOKEN_ROWS], batch[columns.TRAJECTORY_IDS])
    return whole.trimmed(ROW_MULTIPLE)


def make_learner(model: Path, *, shared: bool) -> GiGPOLearner:
    """Build a local Learner with the settings of the main job."""
    config = load_experiment(EXPERIMENT).config.copy(copy_frozen=False)
    config.llm(model_path=str(model)).learners(num_learners=0, prefix_sharing=shared)
    return local_learner(config)


def time_learner(folder: Path, rows: str, *, shared: bool, repeats: int) -> dict[str, Any]:
    """Time updates on recorded rows, after one untimed update.

    Returns:
        Seconds of each update by clock, rows, tokens, and the largest deviation of the first
        update's ratio from 1, which shows that the rows belong to the model.
    """
    recorded = read_rows(folder / f"{rows}.npz")
    learner = make_learner(folder / f"{rows}_model", shared=shared)
    data = TrainingRows(rows=recorded.rows)
    first = learner.update(training_data=data)[DEFAULT_MODULE_ID]["max_ratio_deviation_fresh"]
    clock = Clock()
    for _ in range(repeats):
        clock.start()
        learner.update(training_data=data)
        clock.stop()
    return {
        **clock.seconds,
        "num_rows": recorded.rows.num_rows,
        "num_tokens": recorded.num_tokens,
        "max_ratio_deviation": float(first.peek()),
    }


def time_loop(folder: Path, iterations: int) -> dict[str, Any]:
    """Time whole iterations of the main job from its start model, after one untimed iteration."""
    config = load_experiment(EXPERIMENT).config.copy(copy_frozen=False)
    config.llm(model_path=str(folder / "early_model"))
    algorithm = config.build_algo()
    algorithm.train()
    lines = []
    for _ in range(iterations):
        start = time.perf_counter()
        result = algorithm.train()
        metrics, timers = result["env_runners"], result["timers"]
        lines.append(
            {
                "seconds": time.perf_counter() - start,
                "rollout_s": timers["sample_s"],
                "update_s": timers["learn_s"],
                "num_episodes": metrics["num_episodes"],
                "num_steps": metrics["num_env_steps"],
                "success_rate": metrics["success_rate"],
            }
        )
    algorithm.stop()
    return {"iterations": lines}


def main() -> None:
    """Run one part and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("record", "learner", "loop"))
    parser.add_argument("folder", type=Path, help="the recorded job")
    parser.add_argument("--rows", choices=("early", "late"), default="early")
    parser.add_argument("--late", type=int, default=30, help="the late iteration")
    parser.add_argument("--shared", action="store_true", help="share equal prefixes of prompts")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.what == "record":
        record(arguments.folder, late=arguments.late)
    elif arguments.what == "learner":
        repeats, shared = arguments.repeats, arguments.shared
        print_result(time_learner(arguments.folder, arguments.rows, shared=shared, repeats=repeats))
    else:
        print_result(time_loop(arguments.folder, arguments.iterations))


if __name__ == "__main__":
    main()
