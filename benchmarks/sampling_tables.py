"""Tables of docs/results/sampling.md."""

from __future__ import annotations

from collections.abc import Mapping

from result_layout import Row, Table, facts

_QUEUE = {
    "queue_plain": "as they come",
    "queue_dynamic": "dynamic sampling, half of the groups without spread",
    "queue_slow_runner": "one EnvRunner four times slower",
}
_SCALES = (8, 64, 512, 4096)
_SOAK = {
    "driver": "{%ssoak/driver_kb_per_iteration:.1f}",
    "Learner": "{%ssoak/learner_kb_per_iteration:.1f}",
    "EnvRunner": "{%ssoak/runner_kb_per_iteration:.1f}",
    "most": "{%ssoak_kb_per_iteration:.1f}, {%ssoak_kb_per_iteration:target}",
    "largest fresh ratio - 1": "{%ssoak/max_ratio_deviation_fresh:.0e}",
    "groups lost": "{%ssoak/groups_lost:.0f}",
    "groups played again": "{%ssoak/groups_moved:.0f}",
    "minutes": "{%ssoak/minutes:.0f}",
}

SAMPLING: Mapping[str, Table] = {
    "queue": Table(
        ("16 groups of 8 episodes, two EnvRunners",),
        {"static split over queue": ""},
        [
            Row(
                (label,),
                cells={
                    "static split over queue": (
                        f"{{{name}:.2f}} ({{{name}/min:.2f}} to {{{name}/max:.2f}}),"
                        f" {{{name}:target}}"
                    )
                },
            )
            for name, label in _QUEUE.items()
        ],
    ),
    "runner-scaling": facts(
        {
            **{
                f"us a step, {scale:,} concurrent episodes": (f"{{runner_scaling/{scale}_us:.0f}}")
                for scale in _SCALES
            },
            "slowest over fastest, minus 1": "{runner_scaling:.2f}, {runner_scaling:target}",
            "share of the driver with 64 EnvRunners": "{driver_64:.1%}, {driver_64:target}",
        }
    ),
    "async-speed": facts(
        {
            "seconds an iteration, staleness 1 over in turns": (
                "{async_over_sync:.2f} ({async_over_sync/min:.2f} to {async_over_sync/max:.2f}),"
                " {async_over_sync:target}"
            ),
            "share of sampling in turns": "{async_over_sync/sampling_share:.0%}",
            "share of stale tokens, staleness 1": "{async_over_sync/stale_tokens:.0%}",
        }
    ),
    "async-learning": Table(
        ("`max_staleness`",),
        {
            "last 5 iterations": "",
            "unseen games": "",
            "stale tokens": "",
            "groups dropped for age": "",
            "minutes": "",
        },
        [
            Row(
                (str(k),),
                cells={
                    "last 5 iterations": (
                        f"{{async_learning_k{k}:.2f}} [{{async_learning_k{k}/low:.2f}},"
                        f" {{async_learning_k{k}/high:.2f}}]"
                        + (", {async_learning_k1:target}" if k == 1 else "")
                    ),
                    "unseen games": f"{{async_learning_k{k}/unseen:.2f}}",
                    "stale tokens": f"{{async_learning_k{k}/stale_tokens:.0%}}",
                    "groups dropped for age": f"{{async_learning_k{k}/groups_stale:.1f}}",
                    "minutes": f"{{async_learning_k{k}/minutes:.1f}}",
                },
            )
            for k in (0, 1, 2, 4)
        ],
    ),
    "soak": Table(
        ("2,000 iterations; KB an iteration",),
        dict.fromkeys(("in turns", "asynchronous"), ""),
        [
            Row(
                (label,),
                cells={
                    "in turns": template.replace("%s", ""),
                    "asynchronous": template.replace("%s", "asynchronous/"),
                },
            )
            for label, template in _SOAK.items()
        ],
    ),
}
