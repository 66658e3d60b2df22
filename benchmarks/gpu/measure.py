"""Measure the Learner's update on a GPU: tokens/s, MFU, compile time and memory.

    python3 benchmarks/gpu/measure.py --output results/gpu_check.jsonl
    python3 benchmarks/gpu/measure.py --rehearse              # tiny models on the CPU, seconds
    python benchmarks/gpu/measure.py --take-over results/gpu_check.jsonl   # into figures.json

It needs torch, transformers and NumPy, but neither Ray nor pydantic. Models have random weights at
published shapes, in float32 with bfloat16 autocast, as `llm(autocast_dtype="bfloat16")` trains
them, without gradient checkpointing. An update is one epoch over recorded rollouts
(`record_rollouts.py`): forward, objective, backward, gradient clipping and AdamW, with the
package's own parts but without Ray's Learner around them. "rows" computes each row alone, "trees"
computes shared prefixes once. The first update is apart; the time is the median of the next ones.

tokens/s counts the tokens of the rows, so that sharing makes it higher. MFU is the FLOPs of the
computed tokens (`published_shapes.update_flops`) per second, over the card's published peak.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))
import torch
from figures import Figure, add_figures_option, write_figures
from published_shapes import MODELS, build_adapter, peak_flops, shape_of, update_flops
from rollout_files import read_rollouts
from update_loop import UpdateLoop, memory_estimates

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.layouts.layout_choice import make_layout
from rllib_gigpo.models.model_adapter import ModelAdapter

ISSUE = 14
LONG, SHORT = "alfworld/late", "main_job/iteration_1"
TARGETS = {"gpu_mfu_1.5b": ">= 0.40"}
REHEARSAL = "rehearsal on a CPU"  # in place of a card's name
NUM_UPDATES = 3
CASE_S = 20.0  # no further update of a case starts after this time
START_S = 60.0  # a case that starts with less of the budget would not end in time
_SMALLEST_BATCH = 1024  # positions; what does not fit with these does not fit


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures, and on what.

    Attributes:
        device: The device.
        device_name: The card's name.
        peak: The card's peak, FLOP/s; None if unknown.
        is_rehearsal: Whether tiny models on the CPU stand for the real ones.
        deadline: `time.monotonic` after which nothing starts.
    """

    device: torch.device
    device_name: str
    peak: float | None
    is_rehearsal: bool
    deadline: float

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()

    def synchronize(self) -> None:
        """Wait until the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Measure, and write one JSON line per case."""
    args = _parser().parse_args()
    if args.take_over:
        write_figures_of(args.take_over)
        return
    plan = make_plan(args)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    with args.output.open("w") as file:
        for line in measure(plan, args.sizes):
            lines.append(line)
            print(sentence(line), flush=True)
            file.write(json.dumps(line) + "\n")
            file.flush()
    note = " (a rehearsal measures nothing)" if plan.is_rehearsal else ""
    for name, value in figure_values(lines).items():
        print(f"{name} = {value:.3g}{note}")
    if args.figures:
        write_figures_of(args.output)
    if any("failed" in line for line in lines):
        raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/gpu_check.jsonl"))
    parser.add_argument("--sizes", nargs="+", choices=MODELS, default=["1.5b", "135m", "0.5b"])
    parser.add_argument("--budget-s", type=float, default=340.0, help="skip what does not fit")
    parser.add_argument("--peak-tflops", type=float, help="of a card that is not in the table")
    parser.add_argument("--rehearse", action="store_true", help="tiny models on the CPU")
    parser.add_argument(
        "--take-over", type=Path, metavar="FILE", help="only write the figures of an earlier run"
    )
    add_figures_option(parser)
    return parser


def make_plan(args: argparse.Namespace) -> Plan:
    """Find the device.

    Raises:
        SystemExit: There is no GPU.
    """
    deadline = time.monotonic() + args.budget_s
    peak = None if args.peak_tflops is None else 1e12 * args.peak_tflops
    if args.rehearse:
        return Plan(torch.device("cpu"), REHEARSAL, peak or 1e12, True, deadline)
    if not torch.cuda.is_available():
        raise SystemExit("There is no NVIDIA GPU; --rehearse runs tiny models on the CPU.")
    name = torch.cuda.get_device_name()
    peak = peak or peak_flops(name)
    if peak is None:
        print(f"The peak of {name} is unknown: pass --peak-tflops, or there will be no MFU.")
    return Plan(torch.device("cuda"), name, peak, False, deadline)


# ---------------------------------------------------------------- cases


def measure(plan: Plan, sizes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield one line per model, layout and rollouts; skipped and failed ones have a reason."""
    rollouts = read_rollouts()
    for size in sizes:
        adapter = None
        for layout in ("rows", "trees"):
            for name in (LONG, SHORT):
                head = {"size": size, "layout": layout, "rollouts": name}
                if plan.left_s() < START_S and not plan.is_rehearsal:
                    yield {**head, "skipped": f"{plan.left_s():.0f} s of the budget are left"}
                    continue
                adapter = adapter or build_adapter(size, plan.device, is_tiny=plan.is_rehearsal)
                rows = benchmark_rows(rollouts[name], is_rehearsal=plan.is_rehearsal)
                yield {**head, **measure_case(plan, size, adapter, rows, layout=layout)}
        del adapter
        torch.compiler.reset()  # the variants of one size do not count for the next
        free(plan)


def benchmark_rows(rows: TokenRows, *, is_rehearsal: bool) -> TokenRows:
    """Return rows with token ids that all models have; a few rows for a rehearsal."""
    vocab_size = min(model.sizes["vocab_size"] for model in MODELS.values())
    rows = replace(rows, token_ids=rows.token_ids % (1024 if is_rehearsal else vocab_size))
    return rows.select(range(0, rows.num_rows, rows.num_rows // 12)) if is_rehearsal else rows


def measure_case(
    plan: Plan, size: str, adapter: ModelAdapter, rows: TokenRows, *, layout: str
) -> dict[str, Any]:
    """Measure one case; halve the micro-batches until they fit."""
    max_tokens = MODELS[size].micro_batch_tokens
    while True:
        free(plan)
        try:
            return _measure(plan, adapter, rows, layout=layout, max_tokens=max_tokens)
        except (ConfigError, RuntimeError) as error:  # of torch's compiler too
            reason = f"{type(error).__name__}: {error}"
        # Outside of the handler, whose traceback holds the tensors of the failed pass.
        if "memory" not in reason or max_tokens <= _SMALLEST_BATCH:
            return {"failed": reason}
        print(f"{size} {layout}: micro-batches of {max_tokens:,} positions do not fit", flush=True)
        max_tokens //= 2


def _measure(
    plan: Plan, adapter: ModelAdapter, rows: TokenRows, *, layout: str, max_tokens: int
) -> dict[str, Any]:
    start = time.perf_counter()
    row_layout = make_layout(adapter, layout == "trees", max_tokens=max_tokens, device=plan.device)
    plan.synchronize()
    layout_s = time.perf_counter() - start
    loop = UpdateLoop(adapter, rows, layout=row_layout, device=plan.device)
    first_s = timed(plan, loop)
    if plan.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = [timed(plan, loop)]
    while len(seconds) < NUM_UPDATES and sum(seconds) < min(CASE_S, plan.left_s()):
        seconds.append(timed(plan, loop))
    steady_s = statistics.median(seconds)
    data, shape = loop.data, shape_of(adapter.model)
    flops = update_flops(shape, data, rows.row_lengths)
    return {
        "device": plan.device_name,
        "attention": next(iter(data)).tree_attention if layout == "trees" else "sdpa",
        "num_rows": rows.num_rows,
        "row_tokens": data.num_tokens,
        "computed_tokens": data.num_computed_tokens,
        "positions": data.num_positions,
        "micro_batch_tokens": max_tokens,
        "num_micro_batches": sum(1 for _ in data),
        "num_shapes": len({tuple(batch.input_ids.shape) for batch in data}),
        "first_s": first_s,
        "update_s": steady_s,
        "num_updates": len(seconds),
        # The layout's probe compiles too.
        "compile_s": layout_s + first_s - steady_s,
        "tokens_per_s": data.num_tokens / steady_s,
        "flops": flops,
        "mfu": flops / steady_s / plan.peak if plan.peak else None,
        "memory": loop.memory_parts(),
        "estimate": memory_estimates(shape, micro_batch_tokens=max_tokens),
    }


def timed(plan: Plan, loop: UpdateLoop) -> float:
    """Return the seconds of one update."""
    plan.synchronize()
    start = time.perf_counter()
    loop.update()
    plan.synchronize()
    return time.perf_counter() - start


def free(plan: Plan) -> None:
    """Give the memory of deleted tensors back."""
    gc.collect()
    if plan.device.type == "cuda":
        torch.cuda.empty_cache()


# ---------------------------------------------------------------- results


def sentence(line: dict[str, Any]) -> str:
    """Return a case in one or two lines."""
    head = f"{line['size']} {line['layout']} {line['rollouts']}:"
    for what in ("skipped", "failed"):
        if what in line:
            return f"{head} {what}: {line[what]}"
    mfu = "unknown" if line["mfu"] is None else f"{line['mfu']:.3f}"
    parts = ", ".join(
        f"{name} {size / 2**30:.2f} (estimate {line['estimate'][name] / 2**30:.2f})"
        for name, size in line["memory"].items()
    )
    return (
        f"{head} {line['tokens_per_s']:,.0f} tokens/s, MFU {mfu}, {line['update_s']:.2f} s per"
        f" update, compiled in {line['compile_s']:.1f} s\n  GiB: {parts}"
    )


def figure_values(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return the values of the figures that were measured.

    The MFU is that of separate rows; `gpu_tree_...` is the ratio of tokens/s with trees over
    without.
    """
    done = {
        (line["size"], line["layout"], line["rollouts"]): line
        for line in lines
        if "update_s" in line
    }
    values: dict[str, float] = {}
    for size in MODELS:
        for rollouts, ending in ((LONG, ""), (SHORT, "/main_job")):
            rows, trees = (done.get((size, layout, rollouts)) for layout in ("rows", "trees"))
            if rows and rows["mfu"] is not None:
                values[f"gpu_mfu_{size}{ending}"] = rows["mfu"]
            if rows and trees:
                ratio = trees["tokens_per_s"] / rows["tokens_per_s"]
                values[f"gpu_tree_{size}{ending}"] = ratio
    largest, trees = done.get(("1.5b", "rows", LONG)), done.get(("1.5b", "trees", LONG))
    if largest and "peak" in largest["memory"]:
        ratio = largest["memory"]["peak"] / largest["estimate"]["peak"]
        values["gpu_memory_ratio_1.5b"] = ratio
    if trees:
        values["gpu_compile_s"] = trees["compile_s"]
    return values


def write_figures_of(path: Path) -> None:
    """Write the figures of a run to figures.json, with the card's name.

    Raises:
        SystemExit: The file comes from a rehearsal, or nothing was measured.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    devices = {line["device"] for line in lines if "device" in line}
    if len(devices) != 1 or REHEARSAL in devices:
        raise SystemExit(f"{path} has no figures of a GPU; it was measured on {sorted(devices)}.")
    figures = [
        Figure(ISSUE, name, value, TARGETS.get(name))
        for name, value in figure_values(lines).items()
    ]
    write_figures(figures, processor=devices.pop())


if __name__ == "__main__":
    main()
