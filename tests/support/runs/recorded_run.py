"""The folder of a run, written without training: results, settings and transcripts."""

import gzip
import json
from pathlib import Path


def step_line(**changes) -> dict:
    """Return the line of one step of a transcript."""
    line = {
        "task_seed": 7,
        "group_id": 0,
        "member": 0,
        "step": 0,
        "prompt": "You are in room 0.",
        "prompt_token_ids": [1, 2],
        "prompt_cut": False,
        "response": "go east",
        "response_token_ids": [3, 4],
        "response_tokens": ["go", " east"],
        "rollout_logp": [-0.1, -2.0],
        "finish_reason": "stop",
        "weight_version": 0,
        "action": "go east",
        "is_format_valid": True,
        "is_admissible": True,
        "is_last": False,
        "is_terminated": False,
        "is_won": False,
        "tags": [],
        "rewards": 0.0,
        "penalties": 0.0,
        "episode_returns": 0.0,
        "step_returns": 0.0,
        "episode_advantages": 0.0,
        "step_advantages": 0.0,
        "advantages": 0.0,
        "anchor": "room 0",
        "anchor_group": 0,
        "anchor_group_size": 2,
    }
    assert changes.keys() <= line.keys()
    return line | changes


def episode_lines(rooms: list[int], *, won: bool, **changes) -> list[dict]:
    """Return the lines of an episode that walks through rooms; the last step ends it."""
    last = len(rooms) - 1
    return [
        step_line(
            step=index,
            anchor=f"room {room}",
            anchor_group=room,
            action=f"go to {rooms[index + 1] if index < last else 'the door'}",
            rewards=float(won and index == last),
            step_returns=0.9 ** (last - index) if won else 0.0,
            step_advantages=0.5 if won else -0.5,
            episode_advantages=1.0 if won else -1.0,
            advantages=1.5 if won else -1.5,
            is_last=index == last,
            is_terminated=won and index == last,
            is_won=won,
            **changes,
        )
        for index, room in enumerate(rooms)
    ]


def result_line(iteration: int, **env_runners) -> dict:
    """Return the result of an iteration."""
    return {
        "training_iteration": iteration,
        "env_runners": {"success_rate": iteration / 10, "episode_return_mean": 1.0, **env_runners},
        "credit": {"anchor_group_size_histogram": {"1": 4.0, "2": iteration}},
        "learners": {"default_policy": {"approx_kl": 0.01, "entropy": 0.5}},
        "timers": {"sample_s": 2.0, "learn_s": 1.0},
    }


def write_run(folder: Path, transcripts: dict[int, list[dict]], *, num_iterations: int = 3) -> Path:
    """Write a run and return its folder.

    Args:
        folder: The run's folder.
        transcripts: The lines of each recorded iteration.
        num_iterations: Number of results.
    """
    (folder / "transcripts").mkdir(parents=True)
    results = [result_line(iteration) for iteration in range(1, num_iterations + 1)]
    (folder / "result.json").write_text("".join(json.dumps(one) + "\n" for one in results))
    (folder / "params.json").write_text(json.dumps({"lr": 1e-5, "rule": {"name": "gigpo"}}))
    for iteration, lines in transcripts.items():
        file = folder / "transcripts" / f"iteration_{iteration:06d}.jsonl.gz"
        with gzip.open(file, "wt", encoding="utf-8") as text:
            text.writelines(json.dumps(line) + "\n" for line in lines)
    return folder
