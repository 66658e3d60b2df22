"""Sokoban on a plain CPU: one box in a room of 6x6, at most 15 steps.

    rllib train file tuned_examples/sokoban_gigpo_tiny.py

The agent reads the grid, one token a cell. As in the main job (textworld_gigpo_tiny.py) a model of
0.3M parameters is first fitted to noisy demonstrations, here of an optimal solver, on the training
levels. A solved level earns about 10.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.warm_start import DemonstrationSettings, FitSettings

config = (
    GiGPOConfig.preset("gigpo-tiny")  # its numbers: rllib_gigpo/presets.py
    .environment(
        "rllib_gigpo.envs:Sokoban-v0",
        env_config={"dim": [6, 6], "num_boxes": 1, "max_steps": 15, "expert": False},
    )
    .tasks(num_train_tasks=256, num_test_tasks=128, max_episode_steps=15)
    .training(format_penalty=0.5, admissible_penalty=0.5)  # of a win of 10, as 0.05 of 1
    .warm_start(
        env_config={"expert": True},
        demonstrations=DemonstrationSettings(episodes_per_seed=3, max_episode_steps=15),
        fit=FitSettings(num_epochs=5),
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
