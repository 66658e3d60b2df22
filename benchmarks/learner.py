"""Time the Learner's update against a bare Hugging Face training step, in tokens per second.

    python benchmarks/learner.py
    python benchmarks/learner.py --hidden 256 --layers 6 --rows 48
    python benchmarks/learner.py --hidden 512 --layers 8 --vocab 8192 --rows 128 --threads 2

All sides train the same Qwen2 (float32, the same attention) on the same rows with the same number
of AdamW steps, and take turns in one process. "learner" is `GiGPOLearner.update` with its defaults:
layout, loss, entropy, gradient clipping and metrics, without a reference model. "bare" is forward,
log-probs of the response tokens, backward and AdamW on the same micro-batches, which are made
beforehand. "longest" is the bare step with each row padded to the longest row. Tokens are prompt
and response tokens without padding; ratios are ratios of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from figures import Figure, add_figures_option, result_figures, write_figures
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.learner.update_data import prepare_update

MiniBatches = list[list[MicroBatch]]


def save_model(folder: str, args: argparse.Namespace) -> None:
    """Write a random Qwen2 of the requested size."""
    torch.manual_seed(args.seed)
    config = Qwen2Config(
        vocab_size=args.vocab,
        hidden_size=args.hidden,
        intermediate_size=4 * args.hidden,
        num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 32,
        num_key_value_heads=args.hidden // 32,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def make_rows(args: argparse.Namespace) -> TokenRows:
    """Draw rows with prompts of normally distributed lengths and short responses."""
    rng = np.random.default_rng(args.seed)
    drawn = rng.normal(args.prompt_tokens, args.prompt_tokens_std, args.rows)
    prompt_lengths = np.maximum(drawn, 8).astype(int)
    response_lengths = rng.integers(1, 2 * args.response_tokens, args.rows)
    return TokenRows.from_rows(
        [rng.integers(0, args.vocab, length).tolist() for length in prompt_lengths],
        [rng.integers(0, args.vocab, length).tolist() for length in response_lengths],
        rollout_logp=[np.full(length, -np.log(args.vocab)) for length in response_lengths],
        advantages=np.repeat(rng.normal(size=args.rows), response_lengths),
        minibatch_ids=rng.permutation(args.rows) % args.minibatches,
        num_minibatches=args.minibatches,
    )


def make_learner(
    folder: str, args: argparse.Namespace, *, prefix_sharing: Any = False, **training: Any
) -> GiGPOLearner:
    """Build a local Learner without a reference model, by default on padded rows."""
    config = (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0")
        .llm(model_path=folder, attn_implementation=args.attention)
        .training(
            kl_coeff=0.0,
            lr=1e-5,
            num_minibatches=args.minibatches,
            micro_batch_tokens=args.micro_batch_tokens,
            **training,
        )
        .learners(num_learners=0, prefix_sharing=prefix_sharing)
        .debugging(seed=0)
    )
    return local_learner(config)


def local_learner(config: GiGPOConfig) -> GiGPOLearner:
    """Build the Learner of a config in this process."""
    spec = config.get_default_rl_module_spec()
    spec.observation_space = spec.action_space = gymnasium.spaces.Text(1)
    learner = GiGPOLearner(
        config=config,
        module_spec=MultiRLModuleSpec(rl_module_specs={DEFAULT_MODULE_ID: spec}),
    )
    learner.build()
    return learner


def bare_update(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, minibatches: MiniBatches
) -> None:
    """Run one epoch of a plain policy gradient, without metrics."""
    for micro_batches in minibatches:
        optimizer.zero_grad(set_to_none=True)
        num_tokens = sum(len(batch.targets) for batch in micro_batches)
        for batch in micro_batches:
            hidden = model.model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden.flatten(0, 1)[batch.logit_positions])
            loss = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
            (loss / num_tokens).backward()
        optimizer.step()


def padded_to_longest(rows: TokenRows, *, max_tokens: int) -> MiniBatches:
    """Make micro-batches of the rows in order, each padded to the longest row."""
    longest = int(rows.row_lengths.max())
    size = max(max_tokens // longest, 1)
    minibatches = []
    for minibatch in range(rows.num_minibatches):
        ids = np.flatnonzero(rows.minibatch_ids == minibatch)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        minibatches.append([_pad(rows, part, longest) for part in parts])
    return minibatches


def _pad(rows: TokenRows, ids: np.ndarray, longest: int) -> MicroBatch:
    layout = PaddedRows(LayoutCosts(overhead=10**9), max_tokens=len(ids) * longest)
    (batch,) = layout.micro_batches(rows, ids)
    length = batch.input_ids.shape[1]
    positions = batch.logit_positions
    return MicroBatch(
        input_ids=torch.nn.functional.pad(batch.input_ids, (0, longest - length)),
        logit_positions=positions // length * longest + positions % length,
        targets=batch.targets,
        token_indices=batch.token_indices,
        state_positions=torch.arange(len(ids)) * longest + batch.state_positions % length,
        row_indices=batch.row_indices,
    )


def measure(folder: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """Time all sides in turn, after one untimed round.

    Returns:
        Seconds of each update, by side.
    """
    rows, learner = make_rows(args), make_learner(folder, args)
    settings = learner.config.settings
    data = prepare_update(
        rows,
        settings.loss.loss_aggregation,
        layout=learner._layout,
        sharding=learner.sharding,
        device=torch.device("cpu"),
    )
    longest = padded_to_longest(rows, max_tokens=args.micro_batch_tokens)

    def bare_side(minibatches: MiniBatches) -> Callable[[], None]:
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=args.attention)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
        return lambda: bare_update(model, optimizer, minibatches)

    sides: dict[str, Callable[[], object]] = {
        "learner": lambda: learner.update(training_data=TrainingRows(rows=rows)),
        "bare": bare_side(data.micro_batches),
        "longest": bare_side(longest),
    }
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(args.repeats + 1):
        for name, update in sides.items():
            start = clock()
            update()
            if repeat > 0:
                seconds[name].append(clock() - start)
    return seconds


def report(seconds: dict[str, list[float]], num_tokens: int) -> dict[str, dict[str, float]]:
    """Turn seconds into tokens per second, and into ratios to the bare step.

    Args:
        seconds: Seconds of each update, by side.
        num_tokens: Number of tokens of one update.

    Returns:
        Rates and ratios, by side.
    """
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        name: {
            "tokens_per_s": num_tokens / median,
            "ratio_to_bare": medians["bare"] / median,
            "ratio_to_longest": medians["longest"] / median,
        }
        for name, median in medians.items()
    }


def size_name(args: argparse.Namespace) -> str:
    """Return the name of a size in the figures: "128x3_240_rows" for hidden, layers and rows."""
    return f"{args.hidden}x{args.layers}_{args.rows}_rows"


def figures_of(size: str, results: dict[str, dict[str, float]], repeats: int) -> list[Figure]:
    """Make the figures of one size."""
    values = {
        "over_bare": results["learner"]["ratio_to_bare"],
        "over_longest": results["learner"]["ratio_to_longest"],
    }
    return result_figures(f"learner/{size}", values, targets={"over_bare": ">= 0.9"}, n=repeats)


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of model and batch."""
    for name, default in (
        ("hidden", 128),
        ("layers", 3),
        ("vocab", 1024),
        ("rows", 240),
        ("minibatches", 4),
        ("prompt-tokens", 67),
        ("prompt-tokens-std", 14),
        ("response-tokens", 5),
        ("micro-batch-tokens", 16384),
        ("threads", torch.get_num_threads()),
        ("repeats", 7),
        ("seed", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--attention", default="sdpa", help="attention kernel in transformers")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    add_size_options(parser)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu adds up the CPU seconds of all threads; use it on a shared machine",
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args()


def main() -> None:
    """Measure, print a table and write JSON."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder, args)
        seconds = measure(folder, args)
    num_tokens = int(make_rows(args).row_lengths.sum())
    results = report(seconds, num_tokens)
    print(
        f"{args.rows} rows, {num_tokens} tokens, {args.threads} threads, {args.repeats} repeats,"
        f" {args.clock} clock"
    )
    print(f"{'':10}{'tokens/s':>12}{'x bare':>10}{'x longest':>12}")
    for name, row in results.items():
        print(
            f"{name:10}{row['tokens_per_s']:>12.0f}{row['ratio_to_bare']:>10.2f}"
            f"{row['ratio_to_longest']:>12.2f}"
        )
    if args.json:
        settings = {name: value for name, value in vars(args).items() if name != "json"}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1))
    if args.figures:
        write_figures(figures_of(size_name(args), results, args.repeats))


if __name__ == "__main__":
    main()
