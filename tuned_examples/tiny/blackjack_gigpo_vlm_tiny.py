"""Blackjack as pictures on a CPU: hit or stand.

    rllib train file tuned_examples/tiny/blackjack_gigpo_vlm_tiny.py

The agent sees the cards. A small model of text and images is first fitted to noisy demonstrations,
as in sokoban_gigpo_vlm_tiny.py. blackjack_gigpo_tiny.py says why a hand depends mostly on luck.
"""

from rllib_gigpo.recipes import tiny_on_pictures

config = (
    tiny_on_pictures("rllib_gigpo.envs:Blackjack-v0", max_steps=15)
    .tasks(num_train_tasks=1024, num_test_tasks=512, max_episode_steps=15)
    .training(num_groups=64, lr=1e-4)
    .warm_start(
        demonstrations={"num_tasks": 1024, "episodes_per_seed": 4},
        tiny_model={"image_size": 150, "patch_size": 50},
        fit={"num_epochs": 8, "lr": 6e-4, "batch_tokens": 512},
    )
)
stop = {"training_iteration": 40}
