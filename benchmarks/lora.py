"""Compare LoRA's two weight updates: merged weights, and adapters that vLLM applies itself.

    python benchmarks/lora.py --model tiny
    python benchmarks/lora.py --model 50m --repeats 3

For each, the command measures the bytes of an update, the seconds to export it from the Learner's
model and to load it into vLLM, and the tokens/s of the next 64 answers. Both engines run in one
process and take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from figures import Figure, add_figures_option, result_figures, write_figures
from rollout import PARAMETERS, SIZES, make_model

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.engines.inference_engine import InferenceEngine
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.rl_modules.causal_lm_module import CausalLMModule

NUM_REQUESTS = 64
PROMPT_TOKENS, RESPONSE_TOKENS = 128, 32


@dataclass
class Side:
    """A kind of update with its engine."""

    module: CausalLMModule
    engine: InferenceEngine

    def update(self, version: int) -> tuple[dict[str, float], int]:
        """Export and load once; return the seconds of each, and the bytes."""
        weights, export_s = timed(lambda: list(self.module.weights()))
        _, load_s = timed(lambda: self.engine.load_weights(weights, version))
        return {"export_s": export_s, "load_s": load_s}, sum(t.nbytes for _, t in weights)


def make_side(folder: str, sync: str, rank: int) -> Side:
    """Build the Learner's module and the engine of one kind of update."""
    lora = LoraSettings(rank=rank, alpha=rank, sync=sync)
    space = gymnasium.spaces.Text(10)
    module = CausalLMModule(
        observation_space=space,
        action_space=space,
        model_config={"model_path": folder, "lora": lora},
    )
    for name, parameter in module.model.named_parameters():
        if ".lora_B" in name:
            parameter.data.normal_(std=0.02)
    settings = EngineSettings(
        model_path=folder,
        max_model_len=PROMPT_TOKENS + RESPONSE_TOKENS,
        lora=lora if lora.is_hot else None,
        checksum_weights=False,
    )
    engine = make_engine("vllm", settings)
    engine.start()
    return Side(module, engine)


def requests(repeat: int) -> list[GenerationRequest]:
    """Draw prompts that differ between repeats, so no prefix is cached."""
    rng = np.random.default_rng(repeat)
    prompts = rng.integers(3, 100, size=(NUM_REQUESTS, PROMPT_TOKENS)).tolist()
    sampling = SamplingSettings(max_tokens=RESPONSE_TOKENS)
    return [
        GenerationRequest(f"r{i}", prompt, sampling, seed=i) for i, prompt in enumerate(prompts)
    ]


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of ``action``, and its seconds."""
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def measure(model: str, *, rank: int, repeats: int) -> dict[str, dict[str, float]]:
    """Return the medians of both kinds, which take turns; the first round is not counted."""
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    num_bytes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), model)
        sides = {sync: make_side(folder, sync, rank) for sync in ("merged", "adapter")}
        for repeat in range(repeats + 1):
            for sync, side in sides.items():
                seconds, num_bytes[sync] = side.update(repeat + 1)
                answers, generate_s = timed(lambda: side.engine.generate(requests(repeat)))  # noqa: B023
                if repeat:
                    num_tokens = sum(len(answer.token_ids) for answer in answers)
                    for name, value in seconds.items():
                        samples[sync][name].append(value)
                    samples[sync]["tokens_per_s"].append(num_tokens / generate_s)
        for side in sides.values():
            side.engine.stop()
    return {
        sync: {name: statistics.median(values) for name, values in of_one.items()}
        | {"megabytes": num_bytes[sync] / 1e6}
        for sync, of_one in samples.items()
    }


def figures_of(model: str, results: dict[str, dict[str, float]], repeats: int) -> Iterator[Figure]:
    """Yield the figures of both kinds of update, and those that compare them."""
    prefix = f"lora/{PARAMETERS[model]}"
    for sync, row in results.items():
        values = {
            "megabytes": row["megabytes"],
            "export_ms": 1e3 * row["export_s"],
            "load_ms": 1e3 * row["load_s"],
            "tokens_per_s": row["tokens_per_s"],
        }
        yield from result_figures(f"{prefix}/{sync}", values, n=repeats)
    merged, adapter = results["merged"], results["adapter"]
    saved_s = sum(merged[name] - adapter[name] for name in ("export_s", "load_s"))
    comparison = {
        "adapter_saves_ms": 1e3 * saved_s,
        "merged_over_adapter_tokens": merged["tokens_per_s"] / adapter["tokens_per_s"],
    }
    yield from result_figures(prefix, comparison, n=repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = measure(args.model, rank=args.rank, repeats=args.repeats)
    print(f"{'':8}  {'MB':>8}  {'export s':>8}  {'load s':>8}  {'tokens/s':>8}")
    for sync, row in results.items():
        print(
            f"{sync:8}  {row['megabytes']:>8.2f}  {row['export_s']:>8.4f}  {row['load_s']:>8.4f}"
            f"  {row['tokens_per_s']:>8.0f}"
        )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if args.figures:
        write_figures(list(figures_of(args.model, results, args.repeats)))


if __name__ == "__main__":
    main()
