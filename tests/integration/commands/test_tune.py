"""Ray Tune as RLlib users know it: a grid, ASHA, a trial that fails, and restore."""

from pathlib import Path

import pytest
from ray import tune
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import GiGPO

NUM_ITERATIONS = 3


def scored_and_cut_off(mark: Path) -> type[RLlibCallback]:
    """Make a callback that scores trials by their step_weight and fails one in iteration 2."""

    class ScoredAndCutOff(RLlibCallback):  # an inner class reaches the trial by value
        def on_train_result(self, *, algorithm, result, **kwargs):
            result["score"] = algorithm.config.step_weight
            if result["score"] == 1.0 and result["training_iteration"] == 2 and not mark.exists():
                mark.touch()
                raise RuntimeError("the trial is cut off here")

    return ScoredAndCutOff


@pytest.fixture(scope="module")
def grids(ray_session, corridor_config, tmp_path_factory):
    """Run the grid until a trial fails, then restore it; return the results of both."""
    storage = tmp_path_factory.mktemp("tune")
    config = corridor_config(step_weight=tune.grid_search([1.0, 0.0]))
    config.inference(engine="transformers").callbacks(scored_and_cut_off(storage / "failed"))
    tuner = tune.Tuner(
        "GiGPO",
        param_space=config,
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            scheduler=tune.schedulers.ASHAScheduler(
                grace_period=1, reduction_factor=2, max_t=NUM_ITERATIONS
            ),
            max_concurrent_trials=1,
        ),
        run_config=tune.RunConfig(
            name="grid",
            storage_path=str(storage),
            stop={"training_iteration": NUM_ITERATIONS},
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
        ),
    )
    cut = tuner.fit()
    restored = tune.Tuner.restore(str(storage / "grid"), trainable=GiGPO, resume_errored=True)
    return cut, restored.fit()


def by_step_weight(grid):
    return {result.config["step_weight"]: result for result in grid}


def test_a_failed_trial_leaves_the_others_alone(grids):
    results = by_step_weight(grids[0])
    assert "the trial is cut off here" in str(results[1.0].error)
    assert results[0.0].error is None


def test_asha_stops_the_trial_that_scores_less(grids):
    assert by_step_weight(grids[0])[0.0].metrics["training_iteration"] == 1


def test_restore_goes_on_from_the_last_checkpoint(grids):
    assert not grids[1].errors
    rows = by_step_weight(grids[1])[1.0].metrics_dataframe
    # The first iteration wrote a checkpoint; the second one, which failed, is repeated.
    assert list(rows["training_iteration"]) == [1, 2, 3]
    assert list(rows["policy_version"]) == [1, 2, 3]
    assert (rows["learners/default_policy/max_ratio_deviation_fresh"] < 1e-4).all()
    assert grids[1].get_best_result().config["step_weight"] == 1.0
