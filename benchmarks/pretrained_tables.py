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

PRETRAINED: Mapping[str, Table] = {
    "smollm2": Table(
        ("SmolLM2-135M",),
        {"success on unseen games, with its 95 % interval": ""},
        [
            Row(
                (label,),
                cells={
                    "success on unseen games, with its 95 % interval": (
                        f"{{smollm2_{run}:.2f}} [{{smollm2_{run}/low:.2f}},"
                        f" {{smollm2_{run}/high:.2f}}]"
                    )
                },
            )
            for run, label in RUNS.items()
        ],
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
