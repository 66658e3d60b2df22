"""Tables of docs/results/pretrained.md."""

from __future__ import annotations

from collections.abc import Mapping

from result_layout import Row, Table, difference, facts

RULES = ("GiGPO", "GRPO")

# The run in the figures' names, and what readers call it.
RUNS = {
    "start": "as it comes",
    "cold": "after the cold start",
    **{f"{rule.lower()}_seed{seed}": f"{rule}, seed {seed}" for rule in RULES for seed in range(3)},
}


def success(prefix: str, runs: Mapping[str, str], what: str) -> Table:
    """Lay out the success of some runs with its interval.

    Args:
        prefix: First part of the figures' names.
        runs: Label by run.
        what: What was unseen.
    """
    column = f"success on unseen {what}, with its 95 % interval"
    rows = []
    for run, label in runs.items():
        name = f"{prefix}_{run}"
        interval = f"[{{{name}/low:.2f}}, {{{name}/high:.2f}}]"
        rows.append(Row((label,), cells={column: f"{{{name}:.2f}} {interval}"}))
    return Table(("SmolLM2-135M",), {column: ""}, rows)


PRETRAINED: Mapping[str, Table] = {
    "smollm2": success("smollm2", RUNS, "games"),
    "smollm2-search-qa": success(
        "smollm2_search_qa",
        {name: RUNS[name] for name in ("start", "cold", "gigpo_seed0")},
        "questions",
    ),
    "smollm2-facts": facts(
        {
            **{
                f"{rule} over the cold start, points, paired by game": difference(
                    f"smollm2_{rule.lower()}/gain_over_cold"
                )
                for rule in RULES
            },
            "minutes of the longest run, cold start included (at most 30)": (
                "{smollm2_minutes:.1f}, {smollm2_minutes:target}"
            ),
            "peak of Learner and engine, GB (at most 8)": (
                "{smollm2_memory_gb:.1f}, {smollm2_memory_gb:target}"
            ),
        }
    ),
    "conversations": facts(
        {
            "Learner, 40 turns over 10, layers of Qwen2.5-1.5B's shape": (
                "{conversation_40_over_10:.2f}, {conversation_40_over_10:target}"
            ),
            "the same, layers of SmolLM2's shape": "{conversation_40_over_10/smollm2:.2f}",
            "prompt tokens from vLLM's cache, 20 turns": (
                "{conversation_cached:.0%}, {conversation_cached:target}"
            ),
            "rows' tokens that the Learner does not compute again": "{conversation_shared:.0%}",
            "largest deviation of the fresh ratio from 1, float32": (
                "{ratio_fresh_conversation:.1e}, {ratio_fresh_conversation:target}"
            ),
        }
    ),
}
