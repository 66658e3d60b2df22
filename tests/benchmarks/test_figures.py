"""What the benchmarks write to figures.json."""

import cProfile
import json
import pstats
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import compare_rules
import credit
import credit_rules
import critic
import environments
import exactness
import figures
import gridworld
import learner
import lora
import result_tables
import rollout

KNOWN = result_tables.figures_by_name()


def values(made):
    return {one.name: one.value for one in made}


def unknown(made):
    """Return the names that figures.json lacks, or has with another target."""
    return [one.name for one in made if KNOWN.get(one.name, {}).get("target", "") != one.target]


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "results" / "figures.json"
    monkeypatch.setattr(figures, "FILE", path)
    return path


def test_a_new_figure_replaces_that_of_its_issue_and_name(file, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks/x.py", "--figures"])
    figures.write_figures([figures.Figure(12, "b", 1.0), figures.Figure(11, "b", 2)])
    figures.write_figures([figures.Figure(12, "b", 3.0, "<= 4", 5), figures.Figure(12, "a", 0)])

    lines = json.loads(file.read_text())
    assert [(one["issue"], one["name"], one["value"]) for one in lines] == [
        (11, "b", 2),
        (12, "a", 0),
        (12, "b", 3.0),
    ]
    assert lines[2]["target"] == "<= 4"
    assert lines[2]["n"] == 5
    assert lines[2]["command"] == "python benchmarks/x.py --figures"
    assert lines[2]["cpu"]
    assert len(file.read_text().splitlines()) == len(lines) + 2  # one line each


def test_a_prefix_and_a_target_go_to_the_figures_of_a_result():
    made = figures.result_figures("a/b", {"x": 1.0, "y": 2.0}, targets={"y": "<= 3"}, n=4)
    assert made == [
        figures.Figure(figures.RESULTS_ISSUE, "a/b/x", 1.0, None, 4),
        figures.Figure(figures.RESULTS_ISSUE, "a/b/y", 2.0, "<= 3", 4),
    ]


def test_a_label_becomes_a_name():
    assert figures.slug("gigpo, F = std") == "gigpo_f_std"
    assert figures.slug("gigpo, omega 0.4") == "gigpo_omega_0.4"


# ---------------------------------------------------------------- learning


def record(seed, rates, test_success=0.5):
    iterations = [{"success_rate": rate, "max_ratio_deviation_fresh": 1e-6} for rate in rates]
    return {"seed": seed, "seconds": 60.0, "test_success": test_success, "iterations": iterations}


def test_learning_writes_variants_seeds_and_gains():
    by_variant = {
        "gigpo": [record(0, [0.4] * 5 + [0.9] * 5, 0.8), record(1, [0.4] * 5 + [0.8] * 5, 0.9)],
        "grpo": [record(0, [0.4] * 5 + [0.8] * 5, 0.8), record(1, [0.4] * 5 + [0.7] * 5, 0.8)],
    }
    made = list(compare_rules.figures_of("main_job", by_variant))

    found = values(made)
    assert found["main_job/gigpo/first_5_mean"] == pytest.approx(0.4)
    assert found["main_job/gigpo/last_5_mean"] == pytest.approx(0.85)
    assert found["main_job/grpo/minutes"] == 1.0
    assert found["main_job/grpo/seed_1/last_5"] == pytest.approx(0.7)
    assert found["main_job/gigpo/gain_last_5"] == pytest.approx(0.1)
    assert found["main_job/gigpo/gain_all_low"] <= found["main_job/gigpo/gain_all"]
    assert {one.n for one in made if "seed_" not in one.name} == {2}
    assert unknown(made) == ["main_job/grpo/minutes"]


def test_a_single_run_has_no_spread_and_no_gain():
    made = list(compare_rules.figures_of("mixture", {"gigpo": [record(0, [0.2] * 5)]}))
    assert [one.name.rpartition("/")[2] for one in made if "seed_" not in one.name] == [
        "first_5_mean",
        "last_5_mean",
        "unseen_mean",
        "minutes",
        "largest_ratio_deviation",
    ]


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("textworld_gigpo_tiny.py", "main_job"),
        ("textworld_coin10_gigpo_tiny.py", "textworld_coin10"),
        ("sokoban_gigpo_tiny.py", "sokoban"),
    ],
)
def test_a_job_is_named_after_its_experiment(experiment, name):
    assert compare_rules.job_name(experiment) == name


def test_figures_of_a_changed_experiment_are_refused(capsys):
    with pytest.raises(SystemExit):
        compare_rules.parse_arguments(["--figures", "--iterations", "3"])
    assert "drop --set and --iterations" in capsys.readouterr().err


def test_the_grid_world_writes_every_variant():
    def runs(success):
        return [
            {"seed": s, "success": [success], "seconds": 1.0, "credit_us_per_row": 0.5}
            for s in (0, 1)
        ]

    made = gridworld.figures_of({name: runs(0.5) for name in gridworld.VARIANTS})
    assert unknown(made) == []
    assert len(made) == 5 * len(gridworld.VARIANTS) + 3 * (len(gridworld.VARIANTS) - 1)
    assert values(made)["gridworld/hgpo/over_grpo"] == 0.0


def test_exactness_is_the_largest_deviation_of_all_runs(tmp_path):
    for seed, deviations in enumerate([[1e-6, 3e-6], [2e-6]]):
        iterations = [{"max_ratio_deviation_fresh": one} for one in deviations]
        file = tmp_path / f"gigpo_seed{seed}.json"
        file.write_text(json.dumps({"iterations": iterations}))

    made = exactness.figures_of(exactness.read_deviations([tmp_path]))

    assert values(made) == {"exactness/largest_ratio_deviation": 3e-6, "exactness/num_runs": 2}
    assert made[0].n == 3
    assert unknown(made) == []


# ---------------------------------------------------------------- speed


def test_credit_writes_the_range_of_its_runs():
    def run(ours_s):
        return [
            credit.report(
                rows,
                {"plain": 0.004, "lean": 0.003, "hashing": ours_s, "statistics": 0.0},
                repeats=1,
            )
            for rows in credit.ROW_COUNTS
        ]

    made = list(credit.figures_of([run(0.002), run(0.001)]))

    found = values(made)
    assert found["credit/6400/hashing_ms_min"] == pytest.approx(1.0)
    assert found["credit/6400/hashing_ms_max"] == pytest.approx(2.0)
    assert found["credit/6400/plain_over_ours_min"] == pytest.approx(2.0)
    assert found["credit/growth_max"] == pytest.approx(1.0)
    assert unknown(made) == []


def test_credit_rules_writes_every_rule():
    row = {"rule_us_per_row": 0.5, "total_us_per_row": 2.0, "share_of_iteration": 0.1}
    phases = {"sample_s": 5.0, "credit_s": 0.04}
    made = credit_rules.figures_of(500, phases, {"gigpo": row}, repeats=3)
    assert values(made) == {
        "credit_rules/num_rows": 500,
        "credit_rules/pipeline_s": 0.04,
        "credit_rules/iteration_s": pytest.approx(5.04),
        "credit_rules/slowest_rule_ms": pytest.approx(1.0),
        "credit_rules/gigpo/us_per_row": 0.5,
        "credit_rules/gigpo/us_per_row_with_anchors": 2.0,
        "credit_us_per_row/gigpo": 0.5,
    }
    assert unknown(made) == []


def test_similar_anchors_writes_each_number_of_states():
    pytest.importorskip("rapidfuzz")
    import similar_anchors

    result = {
        "distinct": 20,
        "plain_s": 2.0,
        "ours_s": 0.5,
        "ratio": 4.0,
        "difflib_200_rows_s": 1.0,
    }
    made = similar_anchors.figures_of([result], repeats=3)
    assert values(made)["similar_anchors/20/loop_over_ours"] == 4.0
    assert unknown(made) == []


def test_the_learner_writes_its_size_and_ratios():
    results = learner.report({"learner": [2.0], "bare": [1.0], "longest": [3.0]}, num_tokens=100)
    made = learner.figures_of("128x3_240_rows", results, repeats=7)
    assert values(made) == {
        "learner/128x3_240_rows/over_bare": 0.5,
        "learner/128x3_240_rows/over_longest": 1.5,
    }
    assert unknown(made) == []


def test_the_critic_writes_the_range_of_its_runs():
    def run(ratio):
        sides = {side: {"time_ratio": ratio, "memory_ratio": 2.0} for side in critic.SIDES}
        return sides | {"gigpo": {"time_ratio": 1.0, "memory_ratio": 1.0}}

    made = critic.figures_of("128x3_240_rows", [run(1.5), run(1.25)])
    found = values(made)
    assert found["critic/128x3_240_rows/ppo_head/time_over_gigpo_min"] == 1.25
    assert found["critic/128x3_240_rows/ppo_model/time_over_gigpo_max"] == 1.5
    assert unknown(made) == []


def test_lora_compares_its_two_updates():
    merged = {"megabytes": 2.0, "export_s": 0.03, "load_s": 0.02, "tokens_per_s": 100.0}
    adapter = {"megabytes": 1.0, "export_s": 0.01, "load_s": 0.01, "tokens_per_s": 50.0}
    made = list(lora.figures_of("tiny", {"merged": merged, "adapter": adapter}, repeats=5))
    found = values(made)
    assert found["lora/0.3M/adapter_saves_ms"] == pytest.approx(30.0)
    assert found["lora/0.3M/merged_over_adapter_tokens"] == 2.0
    assert found["lora/0.3M/merged/export_ms"] == 30.0
    assert unknown(made) == []


def engine_run(ratio):
    profiled = {"seconds": 1.0, **{f"{part}_share": 0.1 for part in rollout.PROFILED}}
    return {
        max_tokens: {
            "model": "tiny",
            "num_requests": 64,
            "prompt_tokens_mean": 67.0,
            "ratio": ratio,
            "ratio_min": ratio - 0.1,
            "ratio_max": ratio + 0.1,
            "profile": profiled if max_tokens == 5 else {},
        }
        for max_tokens in (5, 64)
    }


def test_rollout_writes_its_worst_and_best_run():
    barrier = {"ratio": 3.0, "ratio_min": 2.0, "ratio_max": 4.0}
    runs = [{"engine": engine_run(ratio), "barrier": barrier} for ratio in (0.8, 0.7)]
    made = list(rollout.figures_of(runs, repeats=5))
    found = values(made)
    assert found["rollout/0.3M/5/runner_over_engine"] == 0.7
    assert found["rollout/0.3M/5/runner_over_engine_best_run"] == 0.8
    assert found["rollout/0.3M/5/runner_over_engine_min"] == pytest.approx(0.6)
    assert found["rollout/0.3M/5/runner_over_engine_max"] == pytest.approx(0.9)
    assert found["rollout/barrier/lock_step_over_runner"] == 3.0
    assert unknown(made) == []


def test_a_profile_is_shares_of_the_listed_functions(monkeypatch):
    monkeypatch.setattr(rollout, "PROFILED", {"sorting": (Path(__file__).name, "sort_much")})
    profile = cProfile.Profile()
    profile.runcall(lambda: [sort_much() for _ in range(20)])
    shares = rollout.profile_shares(pstats.Stats(profile))
    assert shares["seconds"] > 0.0
    assert 0.5 < shares["sorting_share"] <= 1.0


def sort_much():
    sorted(range(50_000), key=lambda number: -number)


def test_environments_leave_out_what_was_not_measured():
    row = {
        "steps_per_s": 10.0,
        "reset_ms": 1.0,
        "copy_mb": None,
        "recurring_random": 0.5,
        "recurring_expert": None,
        "recurring_trained": 0.9,
    }
    made = list(environments.figures_of({"Sokoban-v0": row}, 32, {"Sokoban-v0": 3}))
    assert {one.name.rpartition("/")[2]: one.n for one in made} == {
        "steps_per_s": 32,
        "reset_ms": 32,
        "recurring_random": 32,
        "recurring_trained": 3,
    }
    assert unknown(made) == []
