"""Treasure hunter at level 10 on a CPU: find the object that the task names.

    rllib train file tuned_examples/tiny/textworld_treasure10_gigpo_tiny.py

The map has many rooms with several objects. The right object is five actions away, and an episode
has at most 20 steps. As in the main job (textworld_gigpo_tiny.py), a small model is first fitted to
noisy demonstrations.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:TextWorld-v0",
        env_config={
            "challenge": "treasure_hunter",
            "level": 10,
            "max_steps": 20,
            "observation": "description",
            "expert": False,
        },
    )
    .tasks(num_train_tasks=128, num_test_tasks=128, max_episode_steps=20)
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.8},
        fit={"num_epochs": 5},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
