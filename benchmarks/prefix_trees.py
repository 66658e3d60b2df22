"""Time updates with prefix trees against padded rows, and against a bare Hugging Face step.

    python benchmarks/prefix_trees.py [--figures]

The rows are whole groups that were recorded in the main job and in ALFWorld
(`benchmarks/gpu/record_rollouts.py`). Each side trains the same Qwen2 on them with the same number
of AdamW steps, in float32, without a reference model; sides take turns in one process, and ratios
are ratios of medians. "padded" is `GiGPOLearner.update` with ``prefix_sharing=False``, "trees" the
same with its default "auto". "bare" is forward, log-probs of the response tokens in chunks of
logits, backward and AdamW on the trees' micro-batches, which are made beforehand. The peak of
memory is that of a process that runs one update, without what it needed before.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import process_memory
import torch
from figures import Figure, add_figures_option, write_figures
from learner import make_learner, save_model
from rollout_files import ROLLOUTS, read_rollouts

from rllib_gigpo.batch.minibatches import assign_minibatches
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.tree_mask import additive_mask, positions
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows

ISSUE = 14
CHUNK_TOKENS = 1024
PADDED, TREES = {"prefix_sharing": False}, {"prefix_sharing": "auto"}
MAIN_JOB = {"hidden": 96, "layers": 2, "vocab": 1017}
TEN_MILLION = {"hidden": 320, "layers": 6, "vocab": 8192}


class Case(NamedTuple):
    """A model, the figure of trees over padding on some rollouts, and how often it is timed."""

    sizes: dict[str, int]
    figure: str
    target: str
    repeats: int


CASES = {
    "main_job/iteration_1": Case(MAIN_JOB, "tree_iter1", ">= 1", 7),
    "main_job/iteration_11": Case(MAIN_JOB, "tree_iter11", ">= 1.5", 7),
    "main_job/iteration_21": Case(MAIN_JOB, "tree_iter21", ">= 2.5", 7),
    "main_job/iteration_31": Case(MAIN_JOB, "tree_iter31", ">= 3", 7),
    "alfworld/late": Case(TEN_MILLION, "tree_long", ">= 2", 2),
}
LONGEST = "alfworld/late"
NOT_TIMED = "alfworld/early"  # hardly shares: only its tokens are counted


def load_rows(name: str, vocab: int, *, num_minibatches: int) -> TokenRows:
    """Read rollouts as rows whose mini-batches hold whole groups, with ids below ``vocab``.

    A single group is one mini-batch.
    """
    rows = read_rollouts(ROLLOUTS)[name]
    assert rows.group_ids is not None
    num_minibatches = min(num_minibatches, len(np.unique(rows.group_ids)))
    ids = assign_minibatches(
        rows.group_ids, num_minibatches=num_minibatches, rng=np.random.default_rng(0)
    )
    ends = rows.row_offsets[1:]
    starts = ends - rows.row_lengths
    tokens = rows.token_ids % vocab
    prompts = [
        tokens[start : start + n] for start, n in zip(starts, rows.prompt_lengths, strict=True)
    ]
    responses = [
        tokens[start + n : end]
        for start, n, end in zip(starts, rows.prompt_lengths, ends, strict=True)
    ]
    return TokenRows.from_rows(
        [prompt.tolist() for prompt in prompts],
        [response.tolist() for response in responses],
        rollout_logp=np.split(rows.rollout_logp, rows.response_offsets[1:-1]),
        advantages=rows.advantages,
        minibatch_ids=ids,
        num_minibatches=num_minibatches,
        group_ids=rows.group_ids,
    )


def build_learner(folder: str, sizes: dict[str, int], **sharing: object) -> GiGPOLearner:
    """Build a Learner on a random model of these sizes, with the settings of the main job."""
    args = argparse.Namespace(
        **sizes, seed=0, attention="sdpa", minibatches=4, micro_batch_tokens=16384
    )
    if not Path(folder, "config.json").is_file():
        save_model(folder, args)
    return make_learner(folder, args, entropy_coeff=0.0, **sharing)


def bare_update(learner: GiGPOLearner, minibatches: list[list[MicroBatch]]) -> Callable[[], None]:
    """Return a plain policy-gradient epoch of a copy of the model, without metrics."""
    model = copy.deepcopy(learner._causal_lm.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def log_probs(batch: MicroBatch) -> torch.Tensor:
        inputs: dict[str, torch.Tensor] = {}
        if batch.subtree_ends is not None:
            inputs["position_ids"] = positions(batch.subtree_ends)
            inputs["attention_mask"] = additive_mask(batch.subtree_ends, model.dtype)
        output = model.model(input_ids=batch.input_ids, use_cache=False, **inputs)
        hidden = output.last_hidden_state.flatten(0, 1)[batch.logit_positions]
        chunks = zip(hidden.split(CHUNK_TOKENS), batch.targets.split(CHUNK_TOKENS), strict=True)
        logp = [
            -torch.nn.functional.cross_entropy(model.lm_head(part), targets, reduction="none")
            for part, targets in chunks
        ]
        return batch.per_token(torch.cat(logp))

    def run() -> None:
        for micro_batches in minibatches:
            optimizer.zero_grad(set_to_none=True)
            num_tokens = sum(len(batch.token_indices) for batch in micro_batches)
            for batch in micro_batches:
                (-log_probs(batch).sum() / num_tokens).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return run


def measure(name: str) -> dict[str, float]:
    """Time all sides of a case in turns, after one untimed round; return medians in seconds."""
    sizes, repeats = CASES[name].sizes, CASES[name].repeats
    rows = load_rows(name, sizes["vocab"], num_minibatches=4)
    with tempfile.TemporaryDirectory() as folder:
        padded, trees = (build_learner(folder, sizes, **side) for side in (PADDED, TREES))
        data = trees._laid_out(rows)
        sides: dict[str, Callable[[], object]] = {
            "padded": lambda: padded.update(training_data=TrainingRows(rows=rows)),
            "trees": lambda: trees.update(training_data=TrainingRows(rows=rows)),
            "bare": bare_update(trees, data.micro_batches),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for repeat in range(repeats + 1):
            for side, update in sides.items():
                start = time.perf_counter()
                update()
                if repeat:
                    seconds[side].append(time.perf_counter() - start)
    return {
        **{side: statistics.median(times) for side, times in seconds.items()},
        "kept": data.num_computed_tokens / data.num_tokens,
    }


def kept_share(name: str, sizes: dict[str, int]) -> float:
    """Return the share of the tokens that trees keep, whatever they cost."""
    rows = load_rows(name, sizes["vocab"], num_minibatches=1)
    with tempfile.TemporaryDirectory() as folder:
        data = build_learner(folder, sizes, prefix_sharing=True)._laid_out(rows)
    return data.num_computed_tokens / data.num_tokens


def peak_bytes(name: str, side: str) -> int:
    """Return the memory that one update adds, measured in its own process."""
    command = [sys.executable, __file__, "--memory-of", name, side]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(output.split()[-1])


def print_peak(name: str, side: str) -> None:
    """Run one update, and print by how much it raised the peak of the process's memory."""
    sizes = CASES[name].sizes
    rows = load_rows(name, sizes["vocab"], num_minibatches=4)
    with tempfile.TemporaryDirectory() as folder:
        learner = build_learner(folder, sizes, **(PADDED if side == "padded" else TREES))
    before = process_memory.peak_bytes()
    learner.update(training_data=TrainingRows(rows=rows))
    print(process_memory.peak_bytes() - before)


def figures_of(results: dict[str, dict[str, float]], memory: float) -> list[Figure]:
    """Make the figures of the issue from the medians."""
    over_bare = {name: result["bare"] / result["trees"] for name, result in results.items()}
    worst = min(over_bare, key=over_bare.__getitem__)
    figures = [
        Figure(ISSUE, "learner_over_bare", over_bare[worst], ">= 0.95", CASES[worst].repeats),
        Figure(ISSUE, "tree_memory", memory),
    ]
    for name, result in results.items():
        case = CASES[name]
        ratio = result["padded"] / result["trees"]
        short = case.figure.removeprefix("tree_")
        figures += [
            Figure(ISSUE, case.figure, ratio, case.target, case.repeats),
            Figure(ISSUE, f"tree_kept/{short}", result["kept"]),
            Figure(ISSUE, f"tree_over_bare/{short}", over_bare[name], n=case.repeats),
        ]
    return figures


def main() -> None:
    """Measure, print a table, and write figures and JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        print_peak(*args.memory_of)
        return
    memory = peak_bytes(LONGEST, "trees") / peak_bytes(LONGEST, "padded")
    results = {name: measure(name) for name in CASES}
    print(f"{'':24}{'kept':>8}{'padded, s':>12}{'trees, s':>12}{'ratio':>8}{'x bare':>8}")
    for name, row in results.items():
        print(
            f"{name:24}{row['kept']:>8.2f}{row['padded']:>12.3f}{row['trees']:>12.3f}"
            f"{row['padded'] / row['trees']:>8.2f}{row['bare'] / row['trees']:>8.2f}"
        )
    early = kept_share(NOT_TIMED, TEN_MILLION)
    print(f"{NOT_TIMED:24}{early:>8.2f}")
    print(f"peak memory of an update, {LONGEST}, trees over padded: {memory:.2f}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"results": results, "memory": memory}, indent=1))
    if args.figures:
        kept = Figure(ISSUE, "tree_kept/long_early", early)
        write_figures([*figures_of(results, memory), kept])


if __name__ == "__main__":
    main()
