"""Forks on the grid world: whole groups, states that were left, and steps that are counted."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "learning"))
import grid_axes
import grid_runs
import tabular
from grid_forks import ForkedEpisodes

from rllib_gigpo.group_plans import GROUP_PLANS

PLANS = ("lone_states", "entropy", "random")
NUM_GROUPS = 5


@pytest.fixture
def played():
    def play(plan, seed=0):
        world = tabular.GridWorld()
        rng = np.random.default_rng(seed)
        tasks = tabular.MazeTasks.with_slack(world, world.draw_tasks(rng, NUM_GROUPS), 3.0)
        policy = tabular.TableLearner.new(world).policy()
        player = ForkedEpisodes(8, GROUP_PLANS.build(plan))
        return tasks, player.play(world, policy, tasks, rng)

    return play


def episodes_of(steps):
    return {one: steps.trajectory_ids == one for one in np.unique(steps.trajectory_ids).tolist()}


@pytest.mark.parametrize("plan", PLANS)
def test_groups_are_whole_and_half_of_the_episodes_fork(played, plan):
    _, steps = played(plan)
    by_group = {}
    for chosen in episodes_of(steps).values():
        (group,), (is_fork,) = set(steps.group_ids[chosen]), set(steps.is_fork[chosen])
        by_group.setdefault(group, []).append(bool(is_fork))
    assert len(by_group) == NUM_GROUPS
    # A task of one step may have nowhere to fork.
    assert all(len(forks) == 8 for forks in by_group.values())
    assert steps.num_from_reset == sum(forks.count(False) for forks in by_group.values())
    assert any(forks.count(True) == 4 for forks in by_group.values())


@pytest.mark.parametrize("plan", PLANS)
def test_a_fork_begins_where_its_tree_has_been_and_keeps_the_limit(played, plan):
    tasks, steps = played(plan)
    length = 0
    for chosen in episodes_of(steps).values():
        order = np.argsort(steps.step_ids[chosen])
        cells, following = steps.cells[chosen][order], steps.next_cells[chosen][order]
        assert (following[:-1] == cells[1:]).all()
        group, tree = steps.group_ids[chosen][0], steps.tree_ids[chosen][0]
        length += len(cells)
        if not steps.is_fork[chosen][0]:
            assert cells[0] == tasks.starts[group]
            continue
        first = steps.trajectory_ids == tree
        assert cells[0] in steps.cells[first]
        assert not steps.is_fork[first].any()
        assert len(cells) < tasks.limits[group]
    assert length < steps.num_env_steps


def test_the_first_choice_of_forks_at_lone_states_gives_them_a_peer(played):
    _, steps = played("lone_states")
    for group in range(NUM_GROUPS):
        of_group = steps.group_ids == group
        from_reset = of_group & ~steps.is_fork
        visits = np.bincount(steps.cells[from_reset])
        firsts = steps.cells[of_group & steps.is_fork & (steps.step_ids == 0)]
        others = visits[[cell for cell in np.flatnonzero(visits) if cell not in firsts]]
        assert len(set(firsts.tolist())) == len(firsts)
        start = steps.cells[from_reset & (steps.step_ids == 0)][0]
        # The start is visited by all; of the other states, those left out are no rarer.
        assert visits[firsts].max(initial=0) <= max(others.min(initial=99), visits[start])


def test_success_is_that_of_episodes_from_the_reset():
    rows = np.array([0, 1])
    steps = tabular.PlayedSteps(
        **dict.fromkeys(
            ("group_ids", "step_ids", "goals", "cells", "moves", "next_cells", "cut"), rows * 0
        ),
        trajectory_ids=rows,
        tree_ids=rows * 0,
        won=np.array([0, 1]),
        is_fork=np.array([False, True]),
        num_from_reset=1,
        num_env_steps=3,
    )
    assert steps.success == 0.0
    assert replace(steps, is_fork=np.array([True, False])).success == 1.0


def test_a_cell_with_a_plan_is_another_run_and_repeats_itself():
    cell = replace(grid_axes.BASE[grid_axes.GIGPO], plan="random", budget=3000)
    assert "plan_random" in cell.name
    first, second = grid_runs.train(cell, 3), grid_runs.train(cell, 3)
    same = ("steps", "choices", "success", "area", "panel_success")
    assert [first[name] for name in same] == [second[name] for name in same]
    assert first["choices"][-1] < first["steps"][-1]
    without = grid_runs.train(replace(cell, plan="from_reset"), 3)
    assert without["choices"] == without["steps"]
