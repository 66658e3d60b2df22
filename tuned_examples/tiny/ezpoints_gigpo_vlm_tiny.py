"""EZPoints as pictures on a CPU: a formula for 12 from two cards, in at most 8 turns.

    rllib train file tuned_examples/tiny/ezpoints_gigpo_vlm_tiny.py

The agent sees the cards and the formula so far. A small model of text and images is first fitted to
noisy demonstrations, as in sokoban_gigpo_vlm_tiny.py. There are few different hands, so training
and test share them.
"""

from rllib_gigpo.recipes import tiny_on_pictures

config = (
    tiny_on_pictures("rllib_gigpo.envs:EZPoints-v0", max_steps=8)
    .tasks(num_train_tasks=256, num_test_tasks=128, max_episode_steps=8)
    .training(lr=1.5e-4, penalties={"format": 0.5, "admissible": 0.5})  # for a win of 10
    .warm_start(
        demonstrations={"episodes_per_seed": 4},
        tiny_model={"image_size": 150, "patch_size": 50},
        fit={"num_epochs": 10, "lr": 6e-4, "batch_tokens": 512},
    )
)
stop = {"training_iteration": 40}
