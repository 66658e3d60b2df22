"""Sokoban on a CPU: one box in a 5x5 room, at most 15 steps.

    rllib train file tuned_examples/tiny/sokoban_gigpo_tiny.py

The agent reads the bare grid, one token per cell. As in the main job (textworld_gigpo_tiny.py), a
model of 0.3M parameters is first fitted to noisy demonstrations, which an optimal solver plays on
the training levels. This takes some minutes. A solved level earns about 10. Rooms of 6x6 are too
hard for a model of this size: it can be fitted to them, but training does not improve it. There are
so few 5x5 levels that two of three test levels occur in training.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Sokoban-v0",
        env_config={"dim": [5, 5], "num_boxes": 1, "max_steps": 15, "expert": False},
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=15)
    # Remove the tabs and the spaces before them, which cost one token each.
    .prompting(template="{{ observation | replace(' \\t', '') }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(num_groups=16, penalties={"format": 0.5, "admissible": 0.5})  # for a win of 10
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 4, "random_label_probability": 0.7},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
