"""Sokoban as pictures on a CPU: one box in a 5x5 room, at most 15 steps.

    rllib train file tuned_examples/tiny/sokoban_gigpo_vlm_tiny.py

The agent sees the picture of the room, one token per cell. As in sokoban_gigpo_tiny.py, which reads
the grid, a small model is first fitted to noisy demonstrations of an optimal solver; this takes two
minutes. It has 0.5M parameters: an Idefics3 with a vision transformer of two layers.
"""

from rllib_gigpo.recipes import tiny_on_pictures

config = (
    tiny_on_pictures(
        "rllib_gigpo.envs:Sokoban-v0", dim=[5, 5], num_boxes=1, max_steps=15, expert=False
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=15)
    .training(num_groups=16, penalties={"format": 0.5, "admissible": 0.5})  # for a win of 10
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 4, "random_label_probability": 0.7},
        tiny_model={"image_size": 80, "patch_size": 16},
    )
)
stop = {"training_iteration": 80}
