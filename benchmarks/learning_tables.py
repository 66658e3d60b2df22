"""Tables of docs/results/learning.md and settings_search.md, and of README.md."""

from __future__ import annotations

from collections.abc import Mapping

from result_layout import Row, Table, difference, facts, span
from speed_tables import ENVIRONMENTS

FIRST, UNSEEN = "{first_5_mean:.2f}", "{unseen_mean:.2f} ± {unseen_std:.2f}"
LAST = "{last_5_mean:.2f} ± {last_5_std:.2f}"
MINUTES = "{minutes:.1f}"
VARIANTS = {
    "gigpo": "gigpo",
    "grpo": "grpo",
    "gigpo_without_episode_level": "gigpo without A^E",
    "gigpo_by_std": "gigpo, F = std",
}
COMPARED = {
    "textworld_treasure10": "treasure hunter, level 10",
    "textworld_coin10": "coin collector, level 10",
    "frozen_lake": "FrozenLake",
    "alfworld": "ALFWorld",
    "search_qa": "Search QA",
    "webshop": "WebShop",
}
NO_MINUTES = {
    "textworld_treasure10/gigpo",
    "textworld_treasure10/grpo",
    "textworld_coin10/gigpo",
    "textworld_coin10/grpo",
    "search_qa/grpo",
    "webshop/grpo",
}
ALONE = {
    "sokoban": ("Sokoban, rooms of 5x5", "40"),
    "minigrid": ("MiniGrid, go to the named object", "35"),
    "numberline": ("NumberLine", "30"),
    "ezpoints": ("EZPoints", "25"),
    "points24": ("Points24", "35"),
    "blackjack": ("Blackjack", "40"),
    "mixture": ("mixture of two TextWorld challenges", "35"),
}
PICTURES = {
    "sokoban_vlm": "Sokoban, rooms of 5x5",
    "ezpoints_vlm": "EZPoints",
    "numberline_vlm": "NumberLine",
    "blackjack_vlm": "Blackjack",
}
GRIDWORLD = {
    "gigpo": "gigpo",
    "gigpo_no_a_s": "gigpo, no A^S",
    "gigpo_no_a_e": "gigpo, no A^E",
    "gigpo_f_std": "gigpo, F = std",
    "gigpo_omega_0.4": "gigpo, omega 0.4",
    "gigpo_omega_1.2": "gigpo, omega 1.2",
    "grpo": "grpo",
    "dr_grpo": "dr-grpo",
    "rloo": "rloo",
    "reinforce_pp": "reinforce_pp",
    "reinforce_pp_group": "reinforce_pp, group",
    "step_reinforce": "step_reinforce",
    "hgpo": "hgpo",
    "hgpo_a_e": "hgpo + A^E",
    "bipace_q": "bipace_q",
    "bipace_q_a_e": "bipace_q + A^E",
    "proxmo": "proxmo",
    "anchor_gae": "anchor_gae",
    "graphgpo": "graphgpo",
    "g2po": "g2po",
    "bepo": "bepo",
    "ppo": "ppo",
}

GAINS = {
    "last 5 iterations": difference("gain_last_5"),
    "all iterations": difference("gain_all"),
    "unseen tasks": difference("gain_unseen"),
}
SEED = "{{seed_{0}/first_5:.2f}}, {{seed_{0}/last_5:.2f}}, {{seed_{0}/unseen:.2f}}"

TASKS = {
    "readme-main-job": Table(
        ("",),
        {
            "first 5 iterations": FIRST,
            "last 5": LAST,
            "iterations to 70 %": "{iterations_to_70:.1f}",
            "unseen games": UNSEEN,
        },
        [Row(("GiGPO",), "main_job/gigpo"), Row(("GRPO",), "main_job/grpo")],
    ),
    "main-job": Table(
        ("variant",),
        {
            "first 5 iterations": FIRST,
            "last 5": LAST,
            "iterations to 70 %": "{iterations_to_70:.1f}",
            "unseen games": UNSEEN,
            "largest fresh |ratio - 1|": "{largest_ratio_deviation:.2g}",
        },
        [Row((label,), f"main_job/{variant}") for variant, label in VARIANTS.items()],
    ),
    "main-job-gains": Table(
        ("variant",),
        GAINS,
        [
            Row((label,), f"main_job/{variant}")
            for variant, label in VARIANTS.items()
            if variant != "grpo"
        ],
    ),
    "main-job-seeds": Table(
        ("variant",),
        {f"seed {seed}": SEED.format(seed) for seed in range(5)},
        [Row((label,), f"main_job/{variant}") for variant, label in VARIANTS.items()],
    ),
    "compared": Table(
        ("task", "variant"),
        {"first 5": FIRST, "last 5": LAST, "unseen": UNSEEN, "minutes": MINUTES},
        [
            Row(
                (task if variant == "gigpo" else "", variant),
                f"{job}/{variant}",
                {"minutes": "-"} if f"{job}/{variant}" in NO_MINUTES else {},
            )
            for job, task in COMPARED.items()
            for variant in ("gigpo", "grpo")
        ],
    ),
    "compared-gains": Table(
        ("task",),
        {"seeds": "{gain_last_5:n}", **GAINS},
        [Row((task,), f"{job}/gigpo") for job, task in COMPARED.items()],
    ),
    "alone": Table(
        ("example", "iterations"),
        {
            "seeds": "{last_5_mean:n}",
            "first 5": FIRST,
            "last 5": LAST,
            "test tasks": UNSEEN,
            "minutes": MINUTES,
        },
        [
            Row(
                labels,
                f"{job}/gigpo",
                {"last 5": "{last_5_mean:.2f}", "test tasks": "{unseen_mean:.2f}"}
                if job == "mixture"
                else {},
            )
            for job, labels in ALONE.items()
        ],
    ),
    "pictures": Table(
        ("task", "variant"),
        {"first 5": FIRST, "last 5": LAST, "test tasks": UNSEEN, "minutes": MINUTES},
        [
            Row((task if variant == "gigpo" else "", variant), f"{job}/{variant}")
            for job, task in PICTURES.items()
            for variant in ("gigpo", "grpo")
        ],
    ),
    "pictures-gains": Table(
        ("task",),
        {"seeds": "{gain_last_5:n}", **GAINS},
        [Row((task,), f"{job}/gigpo") for job, task in PICTURES.items()],
    ),
    "gridworld": Table(
        ("variant",),
        {
            "success, last 10": "{success_mean:.3f} ± {success_std:.3f}",
            "all iterations": "{mean_over_all:.3f}",
            "minus grpo, last 10": difference("over_grpo", "+.3f"),
            "seconds a run": "{seconds:.1f}",
            "credit, µs a row": "{credit_us_per_row:.2f}",
        },
        [
            Row(
                (label,), f"gridworld/{name}", {"minus grpo, last 10": ""} if name == "grpo" else {}
            )
            for name, label in GRIDWORLD.items()
        ],
    ),
}

LEARNING_FACTS = facts(
    {
        "Main job, GiGPO on an idle machine: minutes a run": "{main_job/gigpo/minutes:.1f}",
        "Main job, other variants, while other work ran: minutes a run": (
            "{main_job/minutes_beside_other_work_min:.0f} to"
            " {main_job/minutes_beside_other_work_max:.0f}"
        ),
        "Coin collector 10, two runs at a time: minutes a run": (
            "{textworld_coin10/minutes_beside_other_work_min:.0f} to"
            " {textworld_coin10/minutes_beside_other_work_max:.0f}"
        ),
        "Coin collector 10: largest difference of two seeds at the end, in points": (
            "{textworld_coin10/largest_distance_of_last_5:.0pp}"
        ),
        "FrozenLake: success that both variants reach within 20 iterations": (
            "{frozen_lake/level_within_20_iterations:.2f}"
        ),
        "FrozenLake: means of ten iterations after that": (
            "{frozen_lake/mean_of_10_iterations_min:.2f} to"
            " {frozen_lake/mean_of_10_iterations_max:.2f}"
        ),
        "Sokoban: test levels that are also training levels": (
            "{sokoban/test_levels_in_training:.0f} of {sokoban/test_levels_in_training:n}"
        ),
        "Blackjack, 20,000 hands: success of basic strategy": "{blackjack/basic_strategy:.2f}",
        "Blackjack, 20,000 hands: success of always standing": "{blackjack/always_stand:.2f}",
        "Main job: last 5 iterations of GRPO without penalties": (
            "{settings_search/main_job/grpo_without_penalties/last_5_mean:.2f}"
            " ± {settings_search/main_job/grpo_without_penalties/last_5_std:.2f}"
        ),
    }
)
FAILED = "alfworld/failed_commands"
ALFWORLD_FAILURES = facts(
    {
        label: f"{{{FAILED}/{name}:.0f}} of {{{FAILED}/{name}:n}}"
        for name, label in {
            "not_there_or_not_held": "takes or moves an object that is not there or not held",
            "already_there_or_no_such_place": (
                "goes to the current place, or to one that does not exist"
            ),
            "wrong_number": 'names the wrong number ("take pillow 2"; there is only pillow 1)',
        }.items()
    }
)
EXACTNESS = Table(
    (),
    {
        "largest deviation of the ratio from 1": "{largest_ratio_deviation:.2g}",
        "iterations": "{largest_ratio_deviation:n}",
        "runs": "{num_runs:.0f}",
        "target": "{largest_ratio_deviation:target}",
    },
    [Row((), "exactness")],
)

# Play that was not measured: no training run, no expert, or no list of actions.
NOT_PLAYED = {
    "Corridor-v0": ("trained",),
    "TextArena-v0": ("expert", "trained"),
    "Gem-v0": ("random", "expert", "trained"),
    "Jericho-v0": ("random", "expert", "trained"),
    "ScienceWorld-v0": ("trained",),
    "TextWorldExpress-v0": ("trained",),
}
RECURRENCE = Table(
    ("environment",),
    {play: f"{{recurring_{play}:.0%}}" for play in ("random", "expert", "trained")},
    [
        Row(
            (f"`{name}`",),
            f"environments/{name}",
            dict.fromkeys(NOT_PLAYED.get(name, ()), "-"),
        )
        for name in ENVIRONMENTS
    ],
)

# ---------------------------------------------------------------- search for settings


# Example, settings, prefix of the figures, template.
ATTEMPTS = (
    (
        "FrozenLake",
        "the task in words before the grid, a quarter of the demonstrations; 35 iterations",
        "settings_search/frozen_lake/words_and_quarter_of_demonstrations",
        "{last:.2f} throughout, in {last:n} runs",
    ),
    (
        "ALFWorld",
        "a quarter of the demonstrations, full or short prompts; 10 iterations",
        "settings_search/alfworld/quarter_of_demonstrations",
        span("success", ".2f"),
    ),
    (
        "",
        "256 training games instead of 32; 17 iterations",
        "settings_search/alfworld/256_training_games",
        "about {last:.2f}",
    ),
    (
        "",
        "a penalty of 0.05 for inadmissible actions, GiGPO",
        "settings_search/alfworld/penalty/gigpo",
        "{best:.2f} after 16 iterations, then {last:.0f}",
    ),
    (
        "",
        "the same penalty, GRPO; 38 iterations",
        "settings_search/alfworld/penalty/grpo",
        "from {first:.2f} to {last:.2f}",
    ),
    (
        "",
        "a model fitted to the prompts too",
        "settings_search/alfworld/fitted_to_prompts",
        "first pass {first_pass:.2f}, last pass {last_pass:.2f}, unseen games {unseen:.2f}",
    ),
    (
        "",
        "the example: no such penalty, a model fitted to the answers alone",
        "alfworld/gigpo",
        "first pass {first_pass_mean:.2f}, last pass {last_pass_mean:.2f},"
        " unseen games {unseen_mean:.2f}",
    ),
    (
        "Search QA",
        "a model fitted to the answers alone, six epochs",
        "settings_search/search_qa/fitted_to_answers",
        "{last:.2f} at the end",
    ),
    (
        "",
        "the example: a model fitted to the prompts too, eight epochs",
        "settings_search/search_qa/fitted_to_prompts",
        "{last:.2f} at the end",
    ),
    (
        "WebShop",
        "the score as reward",
        "settings_search/webshop/score_as_reward",
        "{last:.0f} at the end, with a score of {score:.1f}",
    ),
    (
        "",
        "10 for a perfect purchase, fewer random labels",
        "settings_search/webshop/win_reward_10",
        "{last:.2f}",
    ),
    (
        "Sokoban",
        "rooms of 6x6, the fitted model before training; 20 % random labels",
        "settings_search/sokoban/6x6_fitted",
        "{first:.2f}",
    ),
    (
        "",
        "rooms of 6x6, fresh levels; 50 iterations",
        "settings_search/sokoban/6x6_fresh_levels",
        "{last:.2f} at the end",
    ),
    (
        "",
        "rooms of 6x6, the same 64 levels",
        "settings_search/sokoban/6x6_64_levels",
        "from {first:.2f} to {best:.2f} in 24 iterations, then {last:.2f}",
    ),
)
SEARCH = Table(
    ("example", "settings"),
    {"success": ""},
    [
        Row((example, settings), prefix, {"success": template})
        for example, settings, prefix, template in ATTEMPTS
    ],
    align="---",
)

LEARNING: Mapping[str, Table] = {
    **TASKS,
    "recurrence": RECURRENCE,
    "learning-facts": LEARNING_FACTS,
    "alfworld-failures": ALFWORLD_FAILURES,
    "exactness": EXACTNESS,
    "settings-search": SEARCH,
}
