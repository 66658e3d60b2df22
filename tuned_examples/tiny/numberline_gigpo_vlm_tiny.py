"""NumberLine as pictures on a CPU: walk from one number to another, in at most 10 steps.

    rllib train file tuned_examples/tiny/numberline_gigpo_vlm_tiny.py

The agent sees both numbers. A small model of text and images is first fitted to noisy
demonstrations, as in sokoban_gigpo_vlm_tiny.py.
"""

from rllib_gigpo.recipes import tiny_on_pictures

config = (
    tiny_on_pictures("rllib_gigpo.envs:NumberLine-v0", max_steps=10)
    .tasks(num_train_tasks=64, num_test_tasks=64, max_episode_steps=10)
    .warm_start(
        demonstrations={"episodes_per_seed": 4},
        tiny_model={"image_size": 150, "patch_size": 50},
        fit={"num_epochs": 12, "lr": 6e-4, "batch_tokens": 512},
    )
)
stop = {"training_iteration": 30}
