"""The map with language models: cells, anchors made unique, measures, and the four dynamics."""

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "learning"))
import agent_axes
import agent_runs
import dynamics
import search_table
from agent_anchors import SometimesUnique, WithoutParcel
from map_axis import GIGPO, SAME_F
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.cli.experiment import apply_settings, load_experiment
from rllib_gigpo.config.gigpo_config import BaseGiGPOConfig
from rllib_gigpo.config.sections.credit import CreditSection
from rllib_gigpo.connectors.credit.compute_advantages import ComputeAdvantages
from rllib_gigpo.connectors.credit.compute_returns import ComputeReturns
from rllib_gigpo.connectors.credit.group_anchors import GroupAnchors
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.shaping.penalize_invalid import PenalizeInvalid
from rllib_gigpo.credit.anchors import ExactAnchors, SimilarAnchors
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

MATCHES = {
    "exact": ExactAnchors(),
    "unique_0.5": SometimesUnique(unique_probability=0.5),
    "unique_1": SometimesUnique(unique_probability=1.0),
    **{f"similar_{one:g}": SimilarAnchors(threshold=one) for one in (0.7, 0.8, 0.9, 0.95)},
    "without_parcel": WithoutParcel(),
    "context_2": ExactAnchors(context=2),
}
CELLS = list(dict.fromkeys(c for axis in agent_axes.AXES.values() for c in axis.cells()))


# ---------------------------------------------------------------- cells


def test_names_of_cells_are_unique_and_every_axis_has_its_baseline():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    for axis in agent_axes.AXES.values():
        for rules in axis.points.values():
            (slack,) = {cell.slack for cell in rules.values()}
            assert rules[SAME_F].slack == slack
            assert rules[SAME_F].plan == "from_reset"


@pytest.fixture
def tiny_folder(tmp_path):
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_the_settings_of_every_cell_are_valid_and_reach_rule_anchor_and_plan(tiny_folder):
    for cell in CELLS:
        with patch.object(BaseGiGPOConfig, "warm_start", lambda self, **options: self):
            config = load_experiment(
                agent_axes.TINY / agent_axes.TASKS[cell.task].experiment
            ).config
        apply_settings(config, [*cell.changes.items(), ("seed", 3)])
        credit = config.llm(model_path=str(tiny_folder)).settings.credit
        expected = agent_axes.VARIANTS[cell.variant]["rule"]
        assert credit.rule.name == expected["name"]
        if cell.variant in (GIGPO, SAME_F):
            assert not credit.rule.normalize_by_std
        assert credit.penalties.mode == "row"
        assert credit.group_plan.name == cell.plan
        assert cell.num_groups in (None, credit.num_groups)
        assert credit.anchor == MATCHES[cell.state]
        if cell.slack is None:
            continue
        limit = config.env_config.get("slack") or config.env_config["max_steps"] / 5
        assert cell.slack <= limit <= cell.slack + 0.1  # whole steps


# ---------------------------------------------------------------- recurrence


def labels_of(probability, anchors):
    rows = np.arange(len(anchors))
    return SometimesUnique(unique_probability=probability)(
        anchors, np.zeros(len(anchors), np.int64), rows, rows
    )


def test_a_share_of_the_rows_leaves_its_groups():
    anchors = ["a", "b"] * 500
    assert len(set(labels_of(0.0, anchors).tolist())) == 2
    assert len(set(labels_of(1.0, anchors).tolist())) == 1000
    halves = labels_of(0.5, anchors)
    assert len(set(halves.tolist())) == pytest.approx(502, abs=60)
    assert (halves == labels_of(0.5, anchors)).all()
    # Those that stay are still told apart.
    exact = labels_of(0.0, anchors)
    pairs = set(zip(halves.tolist(), exact.tolist(), strict=True))
    assert len(pairs) == len(set(halves.tolist()))


def test_states_without_the_parcel_are_told_apart_by_the_agent_and_the_map():
    same = ["AP.\n.#D", "T..\n.#D", "C..\n.#D"]  # to the left of the parcel, on it, with it
    others = [".A.\n.#D", "A..\n.DD", "..P\n.#E", "...\n.#F"]
    rows = np.arange(7)
    labels = WithoutParcel()([*same, *others], rows * 0, rows, rows).tolist()
    assert len({*labels[:3]}) == 1
    assert labels[5] == labels[6]
    assert len(set(labels)) == 4


def advantages_of(rule, anchor):
    """Run the whole credit pipeline on episodes with recurring states, with penalties by row."""
    rng = np.random.default_rng(0)
    episodes = [
        episode_of(
            [
                step_record(
                    anchor=str(rng.integers(3)),
                    reward=float(rng.integers(2)),
                    is_admissible=bool(rng.integers(2)),
                )
                for _ in range(rng.integers(1, 9))
            ],
            group_id=number // 4,
        )
        for number in range(16)
    ]
    credit = CreditSection(
        rule=rule, anchor=anchor, penalties={"mode": "row", "admissible": 0.1}, group_size=4
    )
    batch = {}
    for piece in (
        ReadSteps(),
        PenalizeInvalid(format=0.0, admissible=credit.penalties.admissible),
        ComputeReturns(gamma=0.95, penalize_rows=True),
        GroupAnchors(credit.anchor),
        ComputeAdvantages(credit.rule, credit.advantages),
    ):
        batch = piece(batch=batch, episodes=episodes)
    return batch[columns.ADVANTAGES], batch[columns.CREDIT_METRICS]["recurring_row_share"]


def test_where_no_state_recurs_gigpo_is_grpo_with_the_same_f_to_the_last_digit():
    same_f = {"normalize_by_std": False}
    unique = SometimesUnique(unique_probability=1.0)
    found, share = advantages_of({"name": "gigpo", **same_f}, unique)
    grpo, _ = advantages_of({"name": "grpo", **same_f}, "exact")
    assert share == 0.0
    assert np.array_equal(found, grpo)
    found, share = advantages_of({"name": "gigpo", **same_f}, "exact")
    assert share > 0.9
    assert not np.array_equal(found, grpo)


# ---------------------------------------------------------------- measures


def test_the_measures_of_a_curve():
    lines = [
        {"success": s, "env_steps": n, "generated_tokens": t, "choices": c, "recurring": r}
        for s, n, t, c, r in [(0.2, 10, 20, 10, 1.0), (0.6, 30, 20, 10, 0.5)]
    ]
    found = agent_runs.measured(lines, budget=20, token_budget=40)
    assert found == {
        "area": pytest.approx(0.4),
        "area_of_choices": pytest.approx(0.4),
        "recurring": pytest.approx(0.75),
    }


# ---------------------------------------------------------------- the four dynamics


def iteration(number):
    return {
        "training_iteration": number,
        "time_this_iter_s": 2.0,
        "env_runners": {"episode_len_mean": 10.0 - number},
        "credit": {
            "recurring_row_share": 0.1 * number,
            "anchor_grouping_s": 0.01,
            "advantages_s": 0.03,
            "anchor_group_size_histogram": {"1": 3.0, "20": 1.0},
        },
    }


def test_one_command_draws_and_prints_the_dynamics_of_a_run(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").write_text("\n".join(json.dumps(iteration(n)) for n in range(1, 8)))
    picture = tmp_path / "dynamics.png"
    assert dynamics.main([str(run), "--picture", str(picture)]) == 0
    assert picture.stat().st_size > 10_000
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(printed["recurring_first_5"]) == pytest.approx(0.3)
    assert float(printed["episode_steps_last_5"]) == pytest.approx(5.0)
    assert float(printed["credit_share_of_iteration"]) == pytest.approx(0.02)
    assert float(printed["groups_of_one_last_5"]) == pytest.approx(0.75)
    assert float(printed["groups_above_10_last_5"]) == pytest.approx(0.25)
    with pytest.raises(SystemExit, match=r"has no result\.json"):
        dynamics.main([str(tmp_path)])


# ---------------------------------------------------------------- a search of rllib train


def test_the_values_of_a_search_are_compared_over_its_seeds(tmp_path, capsys):
    for value, seed, success in ((0.5, 0, 0.2), (0.5, 1, 0.4), (1.0, 0, 0.1), (1.0, 1, 0.2)):
        trial = tmp_path / f"trial_{value}_{seed}"
        trial.mkdir()
        (trial / "params.json").write_text(json.dumps({"step_weight": value, "seed": seed}))
        # The trials take 20 and 30 steps, so they are compared at 20.
        played = {"num_env_steps": 10 if value == 0.5 else 15, "success_rate": success}
        lines = [json.dumps({"env_runners": played})] * 2
        (trial / "result.json").write_text("\n".join(lines))
    options = ["--setting", "step_weight", "--base", "1"]
    assert search_table.main([str(tmp_path), *options]) == 0
    lower, base = capsys.readouterr().out.splitlines()
    assert lower.startswith(
        "step_weight=0.5  area_mean +0.300  area_std +0.141  last_5_mean +0.300"
    )
    assert "area_over_base +0.150" in lower
    assert base == "step_weight=1  area_mean +0.150  area_std +0.071  last_5_mean +0.150"
    with pytest.raises(SystemExit, match="has no trials"):
        search_table.main([str(tmp_path / "trial_0.5_0"), *options])
