"""Tables of docs/results/speed.md."""

from __future__ import annotations

from collections.abc import Mapping

from result_layout import Row, Table, facts, span

# ---------------------------------------------------------------- environments

ENVIRONMENTS = (
    "Corridor-v0",
    "Mixture-v0",
    "TextWorld-v0",
    "ALFWorld-v0",
    "WebShop-v0",
    "SearchQA-v0",
    "Sokoban-v0",
    "FrozenLake-v0",
    "NumberLine-v0",
    "EZPoints-v0",
    "Points24-v0",
    "Blackjack-v0",
    "MiniGrid-v0",
    "TextArena-v0",
    "Gem-v0",
    "Jericho-v0",
    "ScienceWorld-v0",
    "TextWorldExpress-v0",
)
ENVIRONMENT_TABLES = {
    "environments": Table(
        ("environment",),
        {
            "steps/s": "{steps_per_s:,.0f}",
            "reset, ms": "{reset_ms:.1f}",
            "MB a copy": "{copy_mb:.1f}",
        },
        [Row((f"`{name}`",), f"environments/{name}") for name in ENVIRONMENTS],
    ),
    "environment-facts": facts(
        {
            "ALFWorld without a library from a closed copy: MB a copy": (
                "{environments/ALFWorld-v0/copy_mb_first_library_min:.0f} to"
                " {environments/ALFWorld-v0/copy_mb_first_library_max:.0f}"
            ),
            "Steps/s in an earlier run of corridor, TextWorld, ALFWorld and FrozenLake": (
                "{environments/earlier_run_over_this_min:.2g} to"
                " {environments/earlier_run_over_this_max:.2g} times as many"
            ),
        }
    ),
}

# ---------------------------------------------------------------- speed


PARTS = {
    "images": facts(
        {
            "Rows a second in an update, equal images once": "{image_rows_per_s_merged:,.0f}",
            "Rows a second, each place its own image": "{image_rows_per_s_unmerged:,.0f}",
            "Ratio": "{image_rows_merged_over_unmerged:.2f}",
            "Rows for each distinct image of the batch": "{image_rows_per_distinct_image:.1f}",
            "Rows of text a CPU second, before images came in": "{text_rows_per_cpu_s_before:,.0f}",
            "Rows of text a CPU second, since then": "{text_rows_per_cpu_s_after:,.0f}",
            "Ratio of text": "{text_rows_after_over_before:.3f}",
        }
    ),
    "rollout": Table(
        ("model", "response tokens"),
        {
            "runner / engine": ("{runner_over_engine:.2f} to {runner_over_engine_best_run:.2f}"),
            "range of the repeats": span("runner_over_engine", ".2f"),
            "target": "{runner_over_engine:target}",
        },
        [
            Row((model, tokens), f"rollout/{model}/{tokens}")
            for model in ("0.3M", "50M")
            for tokens in ("5", "64")
        ],
    ),
    "rollout-profile": Table(
        (),
        {
            "seconds": "{seconds:.1f}",
            "vLLM's step": "{vllm_step_share:.0%}",
            "prompts": "{prompts_share:.0%}",
            "submitting requests": "{submit_share:.0%}",
        },
        [Row((), "rollout/0.3M/5/profile")],
    ),
    "barrier": Table(
        (),
        {
            "lock-step time / ours": "{lock_step_over_runner:.1f}",
            "range": span("lock_step_over_runner", ".2f"),
            "target": "{lock_step_over_runner:target}",
        },
        [Row((), "rollout/barrier")],
    ),
    "learner": Table(
        ("model",),
        {
            "over bare": "{over_bare:.2f}",
            "target": "{over_bare:target}",
            "over padding each row to the longest": "{over_longest:.2f}",
        },
        [
            Row(("hidden 128, 3 layers, 240 rows",), "learner/128x3_240_rows"),
            Row(("hidden 256, 6 layers, 48 rows",), "learner/256x6_48_rows"),
        ],
    ),
    "prefix-trees": Table(
        ("rows of whole groups",),
        {
            "tokens kept": "{kept:.0%}",
            "padded / trees": "{ratio:.2f}",
            "target": "{ratio:target}",
            "bare / trees": "{over_bare:.2f}",
        },
        [
            Row(
                (label,),
                cells={
                    "tokens kept": f"{{tree_kept/{name}:.0%}}",
                    "padded / trees": f"{{tree_{name}:.2f}}",
                    "target": f"{{tree_{name}:target}}",
                    "bare / trees": f"{{tree_over_bare/{name}:.2f}}",
                },
            )
            for label, name in (
                ("main job, iteration 1", "iter1"),
                ("main job, iteration 11", "iter11"),
                ("main job, iteration 21", "iter21"),
                ("main job, iteration 31", "iter31"),
                ("ALFWorld, a trained agent", "long"),
            )
        ],
    ),
    "prefix-trees-facts": facts(
        {
            "tokens kept, ALFWorld, an agent early in training": "{tree_kept/long_early:.0%}",
            "peak memory of an update, ALFWorld, trees over padded": "{tree_memory:.2f}",
        }
    ),
    "sharing-learning": Table(
        ("rows", "prompt"),
        {
            "shared tokens, first and last iteration": "{shared_first:.0%}, {shared_last:.0%}",
            "success, all iterations": "{all:.2f}",
            "last 5": "{last_5:.2f}",
            "unseen games": "{unseen:.2f}",
            "runs": "{all:n}",
        },
        [
            Row(("padded", "history before the observation"), "sharing_learning/padded"),
            Row(("trees", "history before the observation"), "sharing_learning/trees"),
            Row(("trees", "history before the actions"), "sharing_learning/history_middle"),
            Row(("trees", "history last"), "sharing_learning/history_last"),
        ],
    ),
    "sharing-learning-facts": facts(
        {
            label: (
                f"{{sharing_learning/{variant}/all_difference:+.1pp}}"
                f" [{{sharing_learning/{variant}/all_difference_low:+.1pp}},"
                f" {{sharing_learning/{variant}/all_difference_high:+.1pp}}]"
            )
            for label, variant in (
                ("trees - padded: success of all iterations, points, paired by seed", "trees"),
                ("history before the actions - before the observation", "history_middle"),
                ("history last - before the observation", "history_last"),
            )
        }
    ),
    "main-loop": Table(
        ("part of an iteration",),
        {
            "here, s": "{main_job/here:.2f}",
            "at da50f96, s": "{main_job/against:.2f}",
        },
        [
            Row(
                (label,),
                cells={
                    "here, s": f"{{main_job/here/{name}:.2f}}",
                    "at da50f96, s": f"{{main_job/against/{name}:.2f}}",
                },
            )
            for label, name in (
                ("all", "seconds"),
                ("sampling", "sample_s"),
                ("update", "learn_s"),
                ("credit", "credit_s"),
                ("weights", "sync_s"),
                ("rest", "rest_s"),
            )
        ],
    ),
    "main-loop-facts": Table(
        ("",),
        {"measured": "{main_job_ratio:.2f}", "target": "{main_job_ratio:target}"},
        [Row(("iteration here / at da50f96",))],
    ),
    "critic": Table(
        ("critic",),
        {
            "time over GiGPO's": span("time_over_gigpo", ".2f"),
            "state over GiGPO's": "{state_over_gigpo:.2f}",
        },
        [
            Row(("ppo, head on the policy's trunk",), "critic/128x3_240_rows/ppo_head"),
            Row(("ppo, a second model",), "critic/128x3_240_rows/ppo_model"),
        ],
    ),
    "lora": Table(
        ("model", "`sync`"),
        {
            "MB an update": "{megabytes:.3g}",
            "export, ms": "{export_ms:.3g}",
            "load into vLLM, ms": "{load_ms:.3g}",
            "tokens/s": "{tokens_per_s:,.0f}",
        },
        [
            Row((model, sync), f"lora/{model}/{sync}")
            for model in ("0.3M", "50M")
            for sync in ("merged", "adapter")
        ],
    ),
    "lora-comparison": Table(
        ("model",),
        {
            "the adapter saves, ms an update": "{adapter_saves_ms:.3g}",
            "tokens/s, merged / adapter": "{merged_over_adapter_tokens:.1f}",
        },
        [Row((model,), f"lora/{model}") for model in ("0.3M", "50M")],
    ),
}

# ---------------------------------------------------------------- speed of credit

CREDIT_RULES = (
    "gigpo",
    "gigpo_verl_agent",
    "grpo",
    "rloo",
    "reinforce_pp",
    "step_reinforce",
    "hgpo",
    "bipace_q",
    "proxmo",
    "anchor_gae",
    "graphgpo",
    "g2po",
    "bepo",
    "hiper",
    "hiper_critic",
    "istar",
    "ppo",
)

LEFT_OUT = {
    "hiper_critic": " (without its critic)",
    "istar": " (without its second model)",
    "ppo": " (without its critic)",
}

CREDIT_TABLES = {
    "credit": Table(
        ("rows",),
        {
            "hashing": span("hashing_ms"),
            "statistics": span("statistics_ms"),
            "plain loop": span("plain_loop_ms"),
            "loop / ours": span("plain_over_ours", ".1f"),
            "target": "{plain_over_ours_min:target}",
        },
        [
            Row(("6,400",), "credit/6400"),
            Row(("100,000",), "credit/100000"),
            Row(("1,000,000",), "credit/1000000", {"target": "-"}),
        ],
    ),
    "credit-facts": Table(
        ("",),
        {"measured": "", "target": "-"},
        [
            Row(
                ("time of 1,000,000 rows / time of 100,000",),
                "credit",
                {"measured": span("growth"), "target": "{growth_max:target}"},
            ),
            Row(
                ("plain loop / a discarded version with C loops",),
                "credit/discarded_c_loops",
                {"measured": span("plain_over_ours")},
            ),
            Row(
                ("ms that it saved per iteration of the main job",),
                "credit/discarded_c_loops",
                {"measured": "{saved_ms_at_900_rows:.1f}"},
            ),
        ],
    ),
    "panel-results": facts(
        {
            "float32: share of tasks that ended the same way": "{panel_same_results:.2f}",
            "bfloat16: share of tasks that ended in another way": "{panel_bfloat16_differing:.2f}",
        }
    ),
    "credit-rules": Table(
        ("rule",),
        {
            "µs a row": "{us_per_row:.2f}",
            "with anchors": "{us_per_row_with_anchors:.2f}",
        },
        [
            Row((f"{rule}{LEFT_OUT.get(rule, '')}",), f"credit_rules/{rule}")
            for rule in CREDIT_RULES
        ],
    ),
    "credit-rules-facts": facts(
        {
            "rows of the batch": "{credit_rules/num_rows:.0f}",
            "the slowest rule, ms": "{credit_rules/slowest_rule_ms:.1f}",
            "all of credit (`timers/credit_s`), s, at most": "{credit_rules/pipeline_s:.2f}",
            "the whole iteration, s, while other work ran": "{credit_rules/iteration_s:.0f}",
            "the whole iteration, s, on an idle machine": (
                "{credit_rules/iteration_s_idle_machine:.0f}"
            ),
        }
    ),
    "similar-anchors": Table(
        ("distinct states a task",),
        {
            "loop, s": "{loop_s:.3g}",
            "ours, s": "{ours_s:.3g}",
            "loop / ours": "{loop_over_ours:.1f}",
            "target": "{loop_over_ours:target}",
            "difflib on 200 rows, s": "{difflib_200_rows_s:.3g}",
        },
        [Row((str(count),), f"similar_anchors/{count}") for count in (20, 100, 400)],
    ),
}

NEW_USER = facts(
    {
        "`git clone` of a local copy, seconds": "{new_user/clone_s:.1f}",
        "`make setup`, seconds": "{new_user/install_s:.0f}",
        "`make train`, the main job with its warm start, seconds": "{new_user/train_s:.0f}",
        "`rllib view RUN --export`, seconds": "{new_user/view_s:.1f}",
        "`rllib evaluate RUN`, seconds": "{new_user/evaluate_s:.0f}",
        "all, seconds": "{new_user/total_s:.0f}",
    }
)

PLUGGED_IN = {
    "tools": "a class with tools, in TRL's shape",
    "openenv": "an OpenEnv server in another process",
    "program": "an agent's own program, through the endpoint",
}
PLUG_IN = Table(
    ("the user's own",),
    {
        "iterations": "",
        "seconds": "",
        "success, first three iterations": "",
        "success, last three": "",
    },
    [
        Row(
            (label,),
            cells={
                "iterations": str(40 if name == "tools" else 25),
                "seconds": f"{{plug_in/{name}_s:.0f}}",
                "success, first three iterations": f"{{plug_in/{name}_success_first:.2f}}",
                "success, last three": f"{{plug_in/{name}_success_last:.2f}}",
            },
        )
        for name, label in PLUGGED_IN.items()
    ],
)

SPEED: Mapping[str, Table] = {
    **ENVIRONMENT_TABLES,
    **PARTS,
    **CREDIT_TABLES,
    "new-user": NEW_USER,
    "plug-in": PLUG_IN,
}
