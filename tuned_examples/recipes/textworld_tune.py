"""A search with Ray Tune over the weight of the step advantage: grid, ASHA, restore.

    python tuned_examples/recipes/textworld_tune.py
    python tuned_examples/recipes/textworld_tune.py --restore results/tune/textworld_step_weight

``rllib train file`` also runs the grid, but without the scheduler.
"""

import argparse
from pathlib import Path

from ray import tune

from rllib_gigpo import GiGPO
from rllib_gigpo.recipes import experiment

STORAGE = Path("results/tune").resolve()
NAME = "textworld_step_weight"

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)

# 0 is GRPO without division by the standard deviation; 1 is the paper's omega.
config = main_job.config.training(step_weight=tune.grid_search([0.0, 0.5, 1.0]))
stop = {"training_iteration": 30}


def make_tuner(restore: str | None = None) -> tune.Tuner:
    """Make a tuner for a new search, or restore an interrupted one."""
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restore", metavar="DIR", help="continue the search in this folder")
    results = make_tuner(parser.parse_args().restore).fit()
    best = results.get_best_result()
    print(f"best step_weight: {best.config['step_weight']}, {best.path}")
