"""The map of the grid world: measures, states, cells, and a command that resumes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csgraph, csr_array

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "learning"))
import figures
import grid_axes
import grid_map
import grid_panel
import grid_runs
import grid_states
import map_results
import measures
import run_files
import run_pool
import tabular

from rllib_gigpo import columns
from rllib_gigpo.credit.anchors import exact_anchor_groups

GIGPO, GRPO = grid_axes.BASE[grid_axes.GIGPO], grid_axes.BASE[grid_axes.SAME_F]


@pytest.fixture(scope="module")
def world():
    return tabular.GridWorld()


# ---------------------------------------------------------------- measures


def test_the_area_weighs_each_iteration_by_its_steps_and_cuts_the_last():
    # 10 steps at 0.1, 20 at 0.5, and 10 of the 30 at 0.9.
    assert measures.area_under([10, 30, 60], [0.1, 0.5, 0.9], 40) == pytest.approx(0.5)
    assert measures.area_under([10, 30], [0.1, 0.5], 30) == pytest.approx(11 / 30)
    # What comes after the budget does not count.
    assert measures.area_under([10, 30, 60], [0.1, 0.5, 0.9], 10) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("steps", "success", "budget", "message"),
    [
        ([10, 30], [0.1, 0.5], 31, "ended after 30 environment steps, before the budget of 31"),
        ([], [], 1, "ended after 0"),
        ([10, 30], [0.1], 10, "2 numbers of steps and 1 of success"),
        ([10, 10], [0.1, 0.2], 10, "must be cumulative"),
        ([10], [0.1], 0, "budget=0"),
    ],
)
def test_a_curve_without_an_area_is_told(steps, success, budget, message):
    with pytest.raises(ValueError, match=message):
        measures.area_under(steps, success, budget)


def test_a_task_counts_in_the_steps_of_successes_as_often_as_it_succeeds():
    outcome = measures.PanelOutcome.of([1.0, 0.5, 0.0], [4.0, 10.0, float("nan")])
    assert outcome == measures.PanelOutcome(0.5, pytest.approx((4.0 + 0.5 * 10.0) / 1.5))
    assert measures.PanelOutcome.of([0, 0], [0, 0]) == measures.PanelOutcome(0.0, None)
    with pytest.raises(ValueError, match="one entry per task"):
        measures.PanelOutcome.of([], [])


def test_runs_are_paired_by_seed_whatever_their_order():
    found = measures.Comparison({0: 1.0, 1: 2.0, 2: 4.0}, {2: 3.0, 0: 0.0, 1: 1.0}).difference()
    assert (found.mean, found.low, found.high) == (1.0, 1.0, 1.0)
    # Differences 0 and 2: mean 1, standard error 1, Student's t of one degree of freedom 12.706.
    found = measures.Comparison({0: 1.0, 1: 2.0}, {0: 1.0, 1: 0.0}).difference()
    assert found.high == pytest.approx(1 + 12.706, abs=1e-3)
    with pytest.raises(ValueError, match=r"seeds \[1, 3\] have a run of only one"):
        measures.Comparison({0: 1.0, 1: 1.0}, {0: 1.0, 3: 1.0})


# ---------------------------------------------------------------- tasks and the panel


def test_shortest_paths_and_limits(world):
    source = np.repeat(np.arange(world.num_cells), 4)
    edges = csr_array((np.ones(len(source)), (source, world.next_cell.reshape(-1))))
    expected = csgraph.shortest_path(edges, unweighted=True).T  # by goal and start
    assert (world.distances == expected).all()
    cells = world.draw_tasks(np.random.default_rng(0), 50)
    needed = world.distances[cells[1], cells[0]]
    tasks = tabular.MazeTasks.with_slack(world, cells, 1.5)
    assert (tasks.limits == [-(-3 * length // 2) for length in needed]).all()
    with pytest.raises(ValueError, match=r"slack=0\.5"):
        tabular.MazeTasks.with_slack(world, cells, 0.5)


def test_an_episode_ends_at_the_limit_of_its_own_task(world):
    cells = world.draw_tasks(np.random.default_rng(0), 16)
    tasks = tabular.MazeTasks.with_slack(world, cells, 2.0)
    policy = tabular.TableLearner.new(world).policy()
    played = tabular.IndependentEpisodes(8).play(world, policy, tasks, np.random.default_rng(1))
    lengths = np.bincount(played.trajectory_ids)
    has_won = np.bincount(played.trajectory_ids, played.won) == 1
    was_cut = np.bincount(played.trajectory_ids, played.cut) == 1
    limits = np.repeat(tasks.limits, 8)
    assert (has_won != was_cut).all()
    assert has_won.any()
    assert (lengths[was_cut] == limits[was_cut]).all()
    assert (lengths <= limits).all()


def test_the_panel_of_the_uniform_policy_by_hand(world):
    # From the corner, two of four moves stay, one goes to the goal and one away from it.
    tasks = tabular.MazeTasks(np.array([0, 0]), np.array([1, 1]), np.array([1, 2]))
    assert world.next_cell[0].tolist() == [0, 6, 0, 1]
    policy = tabular.TableLearner.new(world).policy()
    outcome = grid_panel.solve_panel(world, policy, tasks)
    assert outcome.success == pytest.approx((1 / 4 + 3 / 8) / 2)
    assert outcome.steps_of_successes == pytest.approx((1 / 4 + 1 / 4 + 2 / 8) / (1 / 4 + 3 / 8))


def test_the_panel_agrees_with_simulation(world):
    rng = np.random.default_rng(0)
    learner = tabular.TableLearner.new(world)
    learner.logits += rng.normal(size=learner.logits.shape)
    cells = world.draw_tasks(rng, 8)
    tasks = tabular.MazeTasks.with_slack(world, cells, 4.0)
    exact = grid_panel.solve_panel(world, learner.policy(), tasks)
    played = tabular.IndependentEpisodes(2000).play(world, learner.policy(), tasks, rng)
    steps = played.step_ids[played.won == 1] + 1
    assert exact.success == pytest.approx(played.success, abs=4 * 0.5 / 16_000**0.5)
    error = steps.std() / len(steps) ** 0.5
    assert exact.steps_of_successes == pytest.approx(steps.mean(), abs=4 * error)


def test_all_runs_have_the_same_panel(world):
    narrow, wide = (grid_panel.panel_tasks(world, slack) for slack in (1.5, 6.0))
    assert len(narrow.starts) == 256
    assert (narrow.starts == wide.starts).all()
    assert (narrow.goals == wide.goals).all()
    assert (narrow.limits < wide.limits).all()


# ---------------------------------------------------------------- states


def hand_made_steps(world):
    """Two episodes of one task, and one of another task, through the upper left corner.

    Cells 0, 1 and 2 are the upper row, and 2 is in the next block. Rows are not in the order of
    the steps.
    """
    rows = [  # group, trajectory, step, cell
        (0, 0, 1, 0),
        (0, 0, 0, 0),
        (0, 0, 2, 1),
        (0, 1, 0, 0),
        (0, 1, 1, 1),
        (0, 1, 2, 2),
        (1, 2, 0, 1),
    ]
    groups, trajectories, steps, cells = np.array(rows).T
    rest = np.zeros_like(cells)
    return tabular.PlayedSteps(
        group_ids=groups,
        trajectory_ids=trajectories,
        tree_ids=trajectories,
        step_ids=steps,
        goals=rest + 9,
        cells=cells,
        moves=rest,
        next_cells=cells,
        won=rest,
        cut=rest,
        is_fork=rest == 1,
        num_from_reset=3,
        num_env_steps=len(rows),
    )


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cell", [0, 0, 1, 0, 1, 2, 3]),
        ("cell and step", [0, 1, 2, 1, 3, 4, 5]),
        ("cell and previous", [0, 1, 2, 1, 2, 3, 4]),
        ("surroundings", [0, 0, 1, 0, 1, 2, 3]),
        ("2 x 2 blocks", [0, 0, 0, 0, 0, 1, 2]),
        ("one state", [0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_a_definition_of_a_state_groups_the_steps_of_a_task(world, name, labels):
    played = hand_made_steps(world)
    texts = grid_states.STATES[name](world, played)
    assert exact_anchor_groups(texts, played.group_ids).tolist() == labels


def test_cells_with_the_same_walls_look_the_same(world):
    played = hand_made_steps(world)
    below = [int(world.next_cell[cell, 1]) for cell in (0, 2)]
    assert world.coordinates[below].tolist() == [[2, 1], [2, 3]]
    cells = np.resize(below, 7)
    texts = grid_states.STATES["surroundings"](world, replace(played, cells=cells))
    assert set(texts) == {"up_free down_free left_wall right_wall"}


def test_unique_anchors_take_their_share(world):
    played = replace(hand_made_steps(world), cells=np.zeros(4000, dtype=np.int64))
    cell = grid_states.STATES["cell"]
    texts = [
        grid_states.UniqueAnchors(cell, p_unique, np.random.default_rng(0))(world, played)
        for p_unique in (0.0, 0.25, 1.0)
    ]
    assert len(set(texts[0])) == 1
    assert len(set(texts[1])) == pytest.approx(1001, abs=4 * (4000 * 0.25 * 0.75) ** 0.5)
    assert len(set(texts[2])) == 4000


# ---------------------------------------------------------------- cells and runs


def test_without_recurring_states_gigpo_is_exactly_grpo():
    short = {"budget": 40_000}
    unique = grid_runs.train(replace(GIGPO, p_unique=1.0, **short), 0)
    grpo = grid_runs.train(replace(GRPO, **short), 0)
    assert unique["success"] == grpo["success"]
    assert unique["steps"] == grpo["steps"]
    assert (unique["panel_success"], unique["panel_steps"]) == (
        grpo["panel_success"],
        grpo["panel_steps"],
    )
    assert unique["recurring"] == 0.0
    assert grpo["recurring"] > 0.9
    half = grid_runs.train(replace(GIGPO, p_unique=0.5, **short), 0)
    assert half["success"][0] == grpo["success"][0]  # the same tasks and moves until it learns
    assert half["panel_success"] != grpo["panel_success"]


def test_no_step_beyond_the_budget_is_learned_from(world):
    record = grid_runs.train(replace(GIGPO, budget=100), 0)
    assert len(record["steps"]) == 1
    assert record["area"] == record["success"][0]
    uniform = tabular.TableLearner.new(world).policy()
    panel = grid_panel.panel_tasks(world, GIGPO.slack)
    assert record["panel_success"] == grid_panel.solve_panel(world, uniform, panel).success
    # An iteration that ends exactly at the budget is learned from.
    exact = grid_runs.train(replace(GIGPO, budget=record["steps"][0]), 0)
    assert exact["steps"] == record["steps"]
    assert exact["panel_success"] != record["panel_success"]


def test_every_axis_has_grpo_with_both_f_and_names_files_apart():
    cells = {cell for axis in grid_axes.AXES.values() for cell in axis.cells()}
    assert len({cell.name for cell in cells}) == len(cells)
    for axis in grid_axes.AXES.values():
        for rules in axis.points.values():
            same_f, default = rules[grid_axes.SAME_F], rules[grid_axes.DEFAULT]
            assert not same_f.credit_rule().normalize_by_std
            assert default.credit_rule().normalize_by_std
            assert not rules[grid_axes.GIGPO].credit_rule().normalize_by_std
            # Whatever GRPO depends on is the same at this point.
            for field in ("slack", "group_size", "budget"):
                assert len({getattr(cell, field) for cell in rules.values()}) == 1


def test_a_cell_passes_its_settings_to_the_rule():
    assert grid_axes.Cell(rule="anchor_gae", gamma=0.9).credit_rule().gamma == 0.9
    assert replace(GIGPO, step_weight=0.4).credit_rule().step_weight == 0.4
    variants = grid_axes.all_rules()
    assert variants["gigpo, no A^E"].credit_rule().episode_weight == 0.0
    assert variants["gigpo, omega 1.2"].step_weight == 1.2
    assert replace(GIGPO, group_size=32).num_groups == 4


def test_anchors_of_different_tasks_are_never_compared(world):
    anchors = grid_states.STATES["one state"]
    trainer = tabular.TableTrainer(
        tabular.TableLearner.new(world), GIGPO.credit_rule(), GIGPO.player(), 0.95, anchors
    )
    found = trainer.columns(hand_made_steps(world))
    assert found[columns.ANCHOR_GROUP_IDS].tolist() == [0, 0, 0, 0, 0, 0, 1]


# ---------------------------------------------------------------- the command


def run_command(folder, *options):
    fixed = ["--output", str(folder), "--axes", "recurrence", "--seeds", "2", "--budget", "3000"]
    return grid_map.main([*fixed, "--processes", "1", *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with the finished runs of one axis."""
    folder = tmp_path_factory.mktemp("map")
    assert run_command(folder) == 0
    return folder


def test_a_run_with_a_file_is_not_run_twice(finished, monkeypatch, capsys):
    files = sorted((finished / "runs").rglob("*.json"))
    assert len(files) == 7 * 2  # GiGPO at five points, and GRPO twice
    lost, kept = files[0], files[1]
    record = json.loads(kept.read_text())
    before = lost.read_text()
    lost.unlink()
    marked = json.dumps(record | {"marked": True})
    kept.write_text(marked)
    monkeypatch.setattr(figures, "FILE", finished / "figures.json")
    assert run_command(finished, "--figures") == 0

    assert "13 of 14 runs are finished" in capsys.readouterr().out
    assert kept.read_text() == marked
    assert json.loads(lost.read_text())["success"] == json.loads(before)["success"]
    assert {file.name for file in finished.iterdir()} == {
        "runs",
        "figures.json",
        *(f"recurrence.{ending}" for ending in ("md", "png", "svg")),
    }
    lines = {line["name"]: line for line in json.loads((finished / "figures.json").read_text())}
    gain = lines["grid/recurrence/1_gigpo/area_over_grpo"]
    assert (gain["issue"], gain["value"], gain["n"]) == (21, 0.0, 2)
    assert lines["grid/recurrence/0_gigpo/panel_success_over_grpo_high"]["value"] != 0.0
    assert "grid/recurrence/any_grpo_f_std/panel_steps_std" in lines
    hours = lines["grid/recurrence/machine_hours"]
    own = [json.loads(file.read_text())["seconds"] for file in files if "unique" in str(file)]
    assert hours["n"] == len(own) == 4 * 2  # the other three cells belong to the axis of slack
    assert hours["value"] == pytest.approx(sum(own) / 3600 / 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"seed": 0}', "it lacks cell, area"),
        (None, "is of another run: its cell"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_before_anything_runs(
    tmp_path, capsys, content, message
):
    cell = replace(GIGPO, budget=3000)
    file = grid_runs.GridRun(tmp_path / "runs", cell, 0).file
    file.parent.mkdir(parents=True)
    other = dict.fromkeys(run_files.MEASURES, 0.0) | {"cell": {"rule": "ppo"}, "seed": 0}
    file.write_text(json.dumps(other) if content is None else content)
    assert run_command(tmp_path) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert message in error
    assert "delete it" in error
    assert [one.name for one in (tmp_path / "runs").iterdir()] == [cell.name]


def test_an_interval_needs_two_seeds(capsys):
    with pytest.raises(SystemExit):
        grid_map.main(["--seeds", "1"])
    assert "two seeds" in capsys.readouterr().err


def test_published_runs_go_on_in_a_new_clone(finished, tmp_path):
    cell = replace(GIGPO, budget=3000)
    runs = [grid_runs.GridRun(finished / "runs", cell, seed) for seed in range(2)]
    run_files.publish(runs[:1], tmp_path / "kept")
    run_files.publish(runs[1:], tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    assert len(kept.read_text().splitlines()) == 2
    others = [grid_runs.GridRun(tmp_path / "runs", cell, seed) for seed in range(3)]
    run_files.restore(others, tmp_path / "kept")
    assert run_files.unfinished(others) == others[2:]
    assert others[1].read() == runs[1].read()


def test_a_report_starts_no_run_and_says_what_is_missing(finished, capsys):
    assert run_command(finished, "--report") == 0
    assert "Recurrence" in capsys.readouterr().out
    assert run_command(finished, "--report", "--seeds", "3") == 0
    told = capsys.readouterr().out
    assert told.startswith("recurrence: 7 runs are missing (--seeds N reports the first N)")
    assert "Recurrence" not in told
    assert not list((finished / "runs").rglob("seed_2.json"))


def test_a_control_is_compared_at_equal_choices_and_one_point_is_named():
    forks = {(row.point, row.rule): row for row in map_results.rows_of(grid_axes.AXES["forks"])}
    control = forks["from_reset, 11 tasks", "gigpo"]
    assert forks["random", "gigpo"].others[map_results.OVER_CONTROL] == control.cell
    assert control.cell.num_tasks == 11
    rules = grid_axes.AXES["rules"]
    one_point = replace(rules, points={"3": rules.points["3"]})
    assert {row.point for row in map_results.rows_of(one_point)} == {"3"}


def test_workers_are_replaced_and_every_run_is_executed(tmp_path, monkeypatch):
    monkeypatch.setattr(run_pool, "RUNS_PER_PROCESS", 1)
    runs = [grid_runs.GridRun(tmp_path, replace(GIGPO, budget=500), seed) for seed in range(5)]
    assert len(list(run_pool.execute_all(runs, num_processes=2))) == 5
    assert run_files.unfinished(runs) == []
