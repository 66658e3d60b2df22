"""EZPoints on a CPU: a formula for 12 from two cards, one symbol per turn, at most 8 turns.

    rllib train file tuned_examples/tiny/ezpoints_gigpo_tiny.py

A model of 0.3M parameters is first fitted to noisy demonstrations, as in the main job
(textworld_gigpo_tiny.py). There are few different hands, so training and test share them. A correct
formula earns 10.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment("rllib_gigpo.envs:EZPoints-v0", env_config={"max_steps": 8})
    .tasks(num_train_tasks=256, num_test_tasks=128, max_episode_steps=8)
    .training(
        penalties={"format": 0.5, "admissible": 0.5}
    )  # for a win of 10; equals 0.05 for a win of 1
    .warm_start(demonstrations={"episodes_per_seed": 4})
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
