"""Measure what travels with ``weight_sync="delta"``: SmolLM2-135M, an engine in bfloat16.

    python benchmarks/delta_sync.py models/smollm2 [--figures]

For each learning rate a Learner with float32 weights takes AdamW steps on English with random
advantages. After each update of four steps its weights are sent twice, as differences and in full,
through Ray's object store into the copy that an EnvRunner keeps. The engine, which loads whole
tensors in both cases, is left out. The first update, which starts from nothing, does not count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import ray
from figures import Figure, add_figures_option, write_figures
from learner import local_learner
from transformers import AutoTokenizer

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.weights.delivery import stream
from rllib_gigpo.weights.kept_weights import KeptWeights
from rllib_gigpo.weights.transfers import DeltaTransfer, FullTransfer

RATES = ("1e-6", "1e-5", "1e-4")
PAGE = Path(__file__).parents[1] / "docs" / "concepts.md"


def make_learner(folder: str, rate: float) -> GiGPOLearner:
    """Build a Learner as `train-llm` has it, without adapters."""
    config = (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0")
        .llm(model_path=folder, autocast_dtype="auto", max_prompt_tokens=96)
        .inference(engine_dtype="bfloat16")
        .training(lr=rate, kl_coeff=0.0, num_minibatches=4)
        .learners(prefix_sharing=False)
    )
    return local_learner(config)


def make_rows(folder: str, seed: int) -> TokenRows:
    """Cut a page of English into 32 rows of 64 prompt tokens and 16 response tokens."""
    ids = AutoTokenizer.from_pretrained(folder)(PAGE.read_text())["input_ids"]
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, len(ids) - 80, 32)
    return TokenRows.from_rows(
        [ids[start : start + 64] for start in starts],
        [ids[start + 64 : start + 80] for start in starts],
        rollout_logp=[np.full(16, -3.0)] * 32,
        advantages=np.repeat(rng.normal(size=32), 16),
        minibatch_ids=np.arange(32) % 4,
        num_minibatches=4,
    )


def measure(folder: str, rate: str, num_updates: int) -> dict[str, list[float]]:
    """Return the bytes and seconds of each update but the first."""
    learner = make_learner(folder, float(rate))
    delta, full = DeltaTransfer(full_interval=10**6), FullTransfer()
    kept, updates, found = KeptWeights(), [], defaultdict[str, list[float]](list)
    for number in range(num_updates + 1):
        learner.update(training_data=TrainingRows(rows=make_rows(folder, seed=number)))
        start = time.perf_counter()
        base = updates[-1].serial if updates else None
        update = delta.put(learner, version=number, serial=number, base=base)
        assert update is not None
        updates = [*updates, update] if number else [update]
        kept.follow(updates)
        delta_s = time.perf_counter() - start
        start = time.perf_counter()
        whole = full.put(learner, version=number, serial=number, base=None)
        assert whole is not None
        arrived = {name: tensor.clone() for name, tensor in stream(whole.chunks)}
        full_s = time.perf_counter() - start
        assert all(arrived[name].equal(tensor) for name, tensor in kept.tensors.items())
        if number:
            found["share"].append(update.num_bytes / whole.num_bytes)
            found["delta_s"].append(delta_s)
            found["full_s"].append(full_s)
    return found


def main() -> None:
    """Measure each learning rate, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of SmolLM2, see `rllib import-model`")
    parser.add_argument("--updates", type=int, default=4, help="updates of four steps")
    add_figures_option(parser)
    args = parser.parse_args()
    ray.init("local", log_to_driver=False, include_dashboard=False)
    figures = []
    for rate in RATES:
        found = measure(args.model, rate, args.updates)
        share, delta_s, full_s = (
            statistics.mean(found[name]) for name in ("share", "delta_s", "full_s")
        )
        print(f"lr {rate}: {share:.4f} of the bytes; {delta_s:.2f} s, in full {full_s:.2f} s")
        target = "<= 0.1" if rate == "1e-6" else None
        figures.append(Figure(18, f"delta_bytes_{rate}", share, target, args.updates))
        if rate == "1e-6":
            figures += [
                Figure(18, "delta_seconds", delta_s, None, args.updates),
                Figure(18, "full_seconds", full_s, None, args.updates),
            ]
    if args.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()
