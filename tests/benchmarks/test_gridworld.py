import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import gridworld
import tabular


def test_the_maze_is_one_piece_and_walls_hold():
    world = tabular.GridWorld()
    reached = {0}
    for _ in range(world.num_cells):
        reached |= {int(cell) for start in reached for cell in world.next_cell[start]}
    assert reached == set(range(world.num_cells))
    # The first cell is a corner: moves up and left have no effect.
    assert world.next_cell[0, 0] == world.next_cell[0, 2] == 0


def test_a_batch_is_whole_episodes_that_end_at_the_goal_or_the_limit():
    world = tabular.GridWorld()
    cells = world.draw_tasks(np.random.default_rng(0), 16)
    assert (cells[0] != cells[1]).all()
    tasks = tabular.MazeTasks.with_limit(cells, 40)
    policy = tabular.TableLearner.new(world).policy()
    played = tabular.IndependentEpisodes(8).play(world, policy, tasks, np.random.default_rng(1))
    lengths = np.bincount(played.trajectory_ids)
    assert len(lengths) == played.num_from_reset == 16 * 8
    won = np.bincount(played.trajectory_ids, played.won) == 1.0
    assert 0 < won.sum() < len(won)
    assert (lengths[~won] == 40).all()


@pytest.mark.parametrize("variant", ["gigpo", "proxmo", "graphgpo", "bepo", "ppo"])
def test_the_policy_learns_and_the_same_seed_gives_the_same_run(variant):
    record = gridworld.run(variant, 0, 40)
    assert np.mean(record["success"][-5:]) > np.mean(record["success"][:5]) + 0.1
    assert gridworld.run(variant, 0, 3)["success"] == record["success"][:3]


def test_only_missing_seeds_are_done(tmp_path, monkeypatch, capsys):
    done = []

    def fake_run(variant, seed, num_iterations):
        done.append((variant, seed))
        success = [0.1 * seed + (variant == "gigpo")] * num_iterations
        return {"seed": seed, "success": success, "seconds": 1.0, "credit_us_per_row": 0.5}

    monkeypatch.setattr(gridworld, "run", fake_run)
    options = ["--output", str(tmp_path), "--variants", "gigpo", "grpo", "--iterations", "3"]
    gridworld.main([*options, "--seeds", "2"])
    gridworld.main([*options, "--seeds", "3"])
    assert done == [("gigpo", 0), ("gigpo", 1), ("grpo", 0), ("grpo", 1), ("gigpo", 2), ("grpo", 2)]
    assert len(json.loads((tmp_path / "gigpo.json").read_text())) == 3
    # Paired by seed, the difference is exactly 1.
    assert "+1.000 [+1.000, +1.000]" in capsys.readouterr().out
    assert (tmp_path / "gridworld.png").is_file()
