"""A search over the weight of the step advantage with Ray Tune: grid, ASHA, restore.

    python tuned_examples/textworld_tune.py
    python tuned_examples/textworld_tune.py --restore results/tune/textworld_step_weight

``rllib train file`` runs the grid too, without the scheduler.
"""

import runpy
from pathlib import Path

from ray import tune

from rllib_gigpo import GiGPO

STORAGE = Path("results/tune").resolve()
NAME = "textworld_step_weight"

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))

# 0 is GRPO without the division by the standard deviation; 1 is the paper's omega.
config = main_job["config"].training(step_weight=tune.grid_search([0.0, 0.5, 1.0]))
stop = {"training_iteration": 30}


def make_tuner(restore: str | None = None) -> tune.Tuner:
    """A new search, or one that was cut off."""
    if restore:
        return tune.Tuner.restore(restore, trainable=GiGPO, resume_errored=True)
    return tune.Tuner(
        GiGPO,
        param_space=config,
        tune_config=tune.TuneConfig(
            metric="env_runners/success_rate",
            mode="max",
            scheduler=tune.schedulers.ASHAScheduler(grace_period=10, max_t=30),
            max_concurrent_trials=1,
        ),
        run_config=tune.RunConfig(
            name=NAME,
            storage_path=str(STORAGE),
            stop=stop,
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=5, num_to_keep=1),
        ),
    )
