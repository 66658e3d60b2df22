"""Time what every step pays for checks: the fence around environments, and very long prompts.

    python benchmarks/guards.py

The fence is timed on responses of different sizes. Prompts are timed with the facts of an
observation of up to a million characters, beside the time that tokenising all of it takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import Figure, add_figures_option, write_figures

from rllib_gigpo.envs.response_fence import read_step
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.prompting import PromptInputs, PromptRenderer, PromptTemplate

ISSUE = 13
MAX_PROMPT_TOKENS = 1024
CHARACTERS = (1_000, 10_000, 100_000, 1_000_000)
ROOM = "You are in the kitchen. There is a table here. Exits: east, west, and a door north."
WORDS = ROOM.split()


def main() -> None:
    """Measure both, print the results and write the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--runs", type=int, default=7, help="runs; the median counts")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {"fence_us": measure_fence(arguments.runs)}
    results |= measure_prompts(arguments.runs)
    for group, values in results.items():
        print(f"{group:<28}" + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.figures:
        write_figures(figures_of(results, arguments.runs))


def measure_fence(runs: int) -> dict[str, float]:
    """Return the microseconds that the fence takes for a step, by kind of response."""
    actions = [f"go to cabinet {number}" for number in range(60)]
    infos: dict[str, dict[str, Any]] = {
        "plain": {},
        "anchor": {"anchor": ROOM, "admissible_actions": actions[:5]},
        "60_actions": {"anchor": ROOM, "admissible_actions": actions, "tags": ["pick", "heat"]},
    }
    responses = {name: (ROOM, 0.0, False, False, info) for name, info in infos.items()}
    return {
        name: 1e6 * median_s(lambda response=response: read_step(response), runs, number=2000)
        for name, response in responses.items()
    }


def measure_prompts(runs: int) -> dict[str, dict[str, float]]:
    """Return the milliseconds of a prompt, cut to fit, and of tokenising its whole observation."""
    tokenizer = build_tokenizer([" ".join(WORDS)] * 50, 320)
    template = PromptTemplate.from_name_or_source("default")
    renderer = PromptRenderer(tokenizer, template, max_prompt_tokens=MAX_PROMPT_TOKENS)
    cut, whole = dict[str, float](), dict[str, float]()
    for number in CHARACTERS:
        text = " ".join(WORDS[place * place % len(WORDS)] for place in range(number // 3))[:number]
        name = f"{number}_characters"
        cut[name] = 1e3 * median_s(lambda text=text: renderer.render(PromptInputs(text)), runs)
        whole[name] = 1e3 * median_s(lambda text=text: tokenizer(text), min(runs, 3))
    ratio = {name: whole[name] / cut[name] for name in cut}
    return {"prompt_ms": cut, "tokenise_all_ms": whole, "tokenise_all_over_prompt": ratio}


def median_s(call: Callable[[], Any], runs: int, *, number: int = 1) -> float:
    """Return the median over runs of the seconds that one call takes."""
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(number):
            call()
        seconds.append((time.perf_counter() - start) / number)
    return statistics.median(seconds)


def figures_of(results: dict[str, dict[str, float]], runs: int) -> list[Figure]:
    """Make a figure of each measured number."""
    return [
        Figure(ISSUE, f"guards/{group}/{name}", value, n=runs)
        for group, values in results.items()
        for name, value in values.items()
    ]


if __name__ == "__main__":
    main()
